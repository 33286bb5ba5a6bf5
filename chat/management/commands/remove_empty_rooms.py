from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from chat.rooms import vacancy


class Command(BaseCommand):
    help = (
        "Removes rooms nobody wanted: their address was entered, nothing was said, and nobody was"
        " there for a day. Rooms of which somebody has made something (a title, a member, an"
        " archive) stay. Made to run every day, beside remove_guests."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="no summary")

    def handle(self, *, quiet: bool, **options: Any) -> None:
        removed, seen = 0, vacancy.AT_ONCE
        while seen == vacancy.AT_ONCE:
            seen, gone = vacancy.remove(vacancy.AT_ONCE)
            removed += gone
        if not quiet:
            self.stdout.write(f"Removed {removed:,} rooms in which nothing was said.")
