"""`manage.py collectstatic`: Django's, where a disk that does not take the files is one line."""

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from core.errors import Problem


class Command(collectstatic.Command):
    def handle(self, **options: Any) -> str | None:
        try:
            return super().handle(**options)
        except OSError as error:
            raise Problem(
                f"The static files cannot be put into STATIC_ROOT: {error.strerror}. Make it a "
                "folder that can be written, or name another one."
            ) from error
