"""`manage.py run`: a chat on this machine, ready to be tried. What `make run` calls."""

import os
import signal
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core import address, interrupts, server
from core.errors import Problem

PATIENCE = 3  # seconds a database may take to answer

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
        ensure_database_answers()
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
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Preparing the database …")
            self.stdout.flush()
            call_command("migrate", interactive=False, verbosity=0)
        connection.close()

    def announce(self, host: str, port: int) -> None:
        if interrupts.heard():  # while we started, and it was thrown away
            os.kill(os.getpid(), signal.SIGINT)
            return
        if settings.DEBUG and not address.is_loopback(host):
            self.stderr.write(
                f"Warning: HOST={host} lets other machines in, to a development server with demo "
                "accounts whose password is printed below."
            )
        accounts = ACCOUNTS if settings.DEBUG else ""
        self.stdout.write(BANNER.format(url=address.url(host, port), accounts=accounts))
        self.stdout.flush()


def ensure_database_answers() -> None:
    """Connect once without the pool, which would keep trying in the background."""
    parameters = connection.get_connection_params()
    parameters.pop("pool", None)
    try:
        psycopg.connect(**{**parameters, "connect_timeout": PATIENCE}).close()
    except psycopg.Error as error:
        where = f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}"
        raise Problem(
            f"No connection to the database at {where} ({str(error).splitlines()[0]}). "
            "Start it, correct DATABASE_URL, or leave DATABASE_URL unset to get one here."
        ) from None
