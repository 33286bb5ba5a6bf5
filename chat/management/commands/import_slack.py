from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from chat.slack.files import ExportError
from chat.slack.importer import import_export
from chat.slack.values import printable


class Command(BaseCommand):
    help = """\
Bring a standard Slack export into the chat.

People become accounts that cannot sign in until you give them a password. They are known by
Slack's id: a local account of the same name is never touched, the imported one is then called
"ann-slack". Public channels become open rooms, which anybody here may read; private channels and
group talks become private rooms, direct talks direct rooms; these have addresses that nobody
guesses. A channel never goes into a room that people have made here: where its address is taken it
becomes "general-slack". The one exception is a public channel and an open room of that address in
which nothing was ever said: it moves in.

A message gets the text that a reader of Slack saw, with its files and what apps posted below it as
lines. What is no text (images, buttons, previews of links) is left out and counted.

Importing again, or importing a newer export, adds only what is new, at the end of each room.
Messages that are there already stay as they are: an edit, a reaction, or what an earlier version of
this command left out of their text is not brought over.

Ends with an account of every entry. The exit status is 1 if something did not find its place: a
room failed or has no folder, a folder belongs to no room, a file could not be read or fits nothing,
an entry could not be taken. The account names it, and the rest is imported then. Slack's lists of
canvases, logs of apps and the like are named too, and are no failure."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter  # keeps the paragraphs
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the export: a folder or a .zip")

    def handle(self, *args: Any, path: Path, verbosity: int, **options: Any) -> None:
        def progress(what: str, total: int, unit: str) -> Any:
            quiet = True if verbosity == 0 else None  # None: off where stderr is no terminal
            return tqdm(desc=what, total=total, unit=unit, unit_scale=True, disable=quiet)

        try:
            report = import_export(path, progress=progress, name_all=verbosity > 1)
        except ExportError as error:
            raise CommandError(printable(str(error))) from error
        except DatabaseError as error:  # of people; a room's own are in the report
            raise CommandError(f"Stopped by the database: {str(error).splitlines()[0]}") from error
        for line in report.lines():
            self.stdout.write(printable(line))
        if not report.is_complete:
            raise CommandError(
                f"Not everything came in: {report.losses}. Once that is mended, import again: "
                "what is there does not come twice."
            )
