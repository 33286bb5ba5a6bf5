from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from chat.demo import seeding
from chat.demo.conversations import sizes


class Command(BaseCommand):
    help = (
        "Fills the database with believable conversations. The same --seed gives the same people,"
        " rooms and words, up to yesterday. Rooms and users carry the seed in their names (as in"
        " bread-1). A room that is already there is left alone, so a second run with the same"
        " arguments adds nothing; give another --seed for more. Seeded users cannot sign in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rooms", type=int, default=12, help="default 12")
        parser.add_argument("--users", type=int, default=60, help="default 60")
        parser.add_argument("--messages", type=int, default=10_000, help="in all; default 10000")
        parser.add_argument("--seed", type=int, default=1, help="default 1")
        parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")

    def handle(
        self, *, rooms: int, users: int, messages: int, seed: int, quiet: bool, **options: Any
    ) -> None:
        for name, value, least in (
            ("--rooms", rooms, 1),
            ("--users", users, 1),
            ("--messages", messages, 0),
            ("--seed", seed, 0),
        ):
            if value < least:
                raise CommandError(f"{name} must be {least} or more, not {value}.")
        everybody = seeding.people(seed, users)  # before the bar: it asks the database
        with tqdm(total=messages, unit=" messages", disable=quiet) as bar:
            made = seeding.fill_rooms(
                seed=seed,
                users=everybody,
                sizes=sizes(rooms, messages),
                until=timezone.now(),
                progress=bar.update,
            )
        seeding.refresh_statistics()
        if not quiet:
            self.stdout.write(f"Added {made[1]:,} messages in {made[0]:,} rooms (seed {seed}).")
            if made[0] < rooms:
                self.stdout.write(
                    f"{rooms - made[0]:,} rooms were already there and stay as they are."
                )
