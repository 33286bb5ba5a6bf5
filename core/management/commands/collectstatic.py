"""`manage.py collectstatic`: Django's, where what the disk does not give or take is one line."""

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from core.errors import Problem


class Command(collectstatic.Command):
    def handle(self, **options: Any) -> str | None:
        try:
            return super().handle(**options)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Problem(
                f"The static files cannot be put into STATIC_ROOT ({why}). It must be a folder "
                "that can be written, on a disk with room."
            ) from error
