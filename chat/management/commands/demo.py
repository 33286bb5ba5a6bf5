from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chat.demo import world


class Command(BaseCommand):
    help = (
        "Makes the small demo of `make run`: alice, bob, carol and the moderator mod, all with"
        " the password `demo`, a few rooms, a conversation in the lobby. What is there stays."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        # Everybody knows these passwords.
        if not settings.DEBUG:
            raise CommandError(
                "The demo accounts have a well-known password; they are made only with DEBUG=on."
            )
        if world.make():
            self.stdout.write("Made the demo: alice, bob, carol and mod, password demo.")
        elif options["verbosity"]:
            self.stdout.write("The demo is there already; nothing was changed.")
