from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from chat.moderation import idle_guests


class Command(BaseCommand):
    help = (
        "Removes guests who left nothing behind (no message, no reaction, no sanction), whose"
        " session is over, and who were not seen for some days. Made to run every day, beside"
        " Django's clearsessions."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="not seen for; default 30")
        parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")

    def handle(self, *, days: int, quiet: bool, **options: Any) -> None:
        if days < 1:
            raise CommandError(f"--days must be 1 or more, not {days}.")
        before = timezone.now() - timedelta(days=days)
        guests = idle_guests.found(before)
        removed = 0
        with tqdm(total=len(guests), unit=" guests", disable=quiet) as bar:
            for count in idle_guests.remove(guests, before):
                removed += count
                bar.update(count)
        if not quiet:
            self.stdout.write(f"Removed {removed:,} guests not seen for {days:,} days.")
