"""`manage.py new_identity`: tells a copy of a database from the original, on one Redis."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from core.redis import installation

QUESTION = """\
This database gets a new identity, and with it new names for all that the chat has in Redis. Do it
in a copy, made by pg_basebackup or from a disk's snapshot, that is to be a chat of its own; not in
a standby that takes the original's place. Processes that run notice it within {every:.0f} seconds:
until then some hear of messages a few seconds late, and people seem to come and go. Only consumers
of your own that use the channel layer "default" must be restarted: their groups are gone.
"""


class Command(BaseCommand):
    help = (
        "Give this database a new identity, so that a physical copy is a chat of its own in Redis."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--noinput", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["noinput"]:
            self.stdout.write(QUESTION.format(every=installation.EVERY))
            self.ask()
        try:
            before = installation.read()
        except installation.Unknown:
            before = "nothing"  # the row was lost
        try:
            installation.renew()
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"The identity could not be changed: {reason}") from error
        self.stdout.write(
            f"Names in Redis begin with {installation.read()} now, and no longer with {before}. "
            f"Processes that run notice it within {installation.EVERY:.0f} seconds."
        )

    def ask(self) -> None:
        try:
            answer = input("Continue? [yes/no] ")
        except EOFError:
            raise CommandError("Nothing was changed. Use --noinput.") from None
        if answer != "yes":
            raise CommandError("Nothing was changed.")
