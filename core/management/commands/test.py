"""`manage.py test`: Django's runner would find no tests, and call that a success."""

from typing import Any

from django.core.management.base import BaseCommand

from core.errors import Problem


class Command(BaseCommand):
    help = "Says how the tests are run: make test, or a part of them: make test ARGS=tests/core"

    def run_from_argv(self, argv: list[str]) -> None:
        self.handle()

    def handle(self, *args: Any, **options: Any) -> None:
        raise Problem("The tests are run by: make test (a part of them: make test ARGS=tests/core)")
