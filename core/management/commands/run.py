"""`manage.py run`: a chat on this machine, ready to be tried. What `make run` calls."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from core import server
from core.database import readiness as database
from core.local import address, interrupts
from core.redis import readiness as redis_server

BANNER = """
  Chat         {url}
  Moderators   {url}admin/
{accounts}
  Ctrl-C stops it.
"""
ACCOUNTS = """
  Sign in as   alice, bob, carol   members
               mod                 a moderator, with admin access
  Password     demo
"""


class Command(BaseCommand):
    help = "Prepare the database, seed the demo once, and serve on HOST and PORT."
    requires_system_checks: list[str] = []  # they may ask the database: after it has answered

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = address.chosen()
        database.ensure_answer()
        redis_server.ensure_usable()
        with database.alone():  # two that start at once would make the same tables
            self.migrate()
            if settings.DEBUG:  # demo accounts have a password that everybody knows
                call_command("demo", verbosity=0)
        self.check()
        self.stdout.flush()
        server.serve(host, port, ready=lambda: self.announce(host, port))
        if interrupts.heard():
            raise KeyboardInterrupt
        self.stdout.write("Stopped.")

    def migrate(self) -> None:
        if database.unapplied_migrations():
            self.stdout.write("Preparing the database …")
            self.stdout.flush()
            call_command("migrate", interactive=False, verbosity=0)
        connection.close()

    def announce(self, host: str, port: int) -> None:
        if settings.DEBUG and not address.is_loopback(host):
            self.stderr.write(
                f"Warning: HOST={host} lets other machines in, to a development server with demo "
                "accounts whose password is printed below."
            )
        accounts = ACCOUNTS if settings.DEBUG else ""
        self.stdout.write(BANNER.format(url=address.url(host, port), accounts=accounts))
        self.stdout.flush()
