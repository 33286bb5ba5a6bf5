#!/usr/bin/env python
"""Every command of the project: `manage.py help` lists them."""

import os
import sys
from importlib.util import find_spec


def main() -> None:
    from core.local import interrupts

    interrupts.listen()  # before all that takes time
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)


def _run(arguments: list[str]) -> None:
    if find_spec("django") is None:
        sys.exit("manage.py: Django is not installed here. Use `make run`, or .venv/bin/python.")

    from core.errors import Problem
    from core.local import checkout, parent, reloading

    parent.watch()
    try:
        if reloading.is_outer(arguments):
            sys.exit(reloading.supervise(arguments))
        checkout.prepare(arguments)
        if reloading.is_inner():
            reloading.guard(_serve)
        else:
            _execute()
    except Problem as problem:
        sys.exit(f"manage.py: {problem}")


def _execute() -> None:
    """Where the database cannot do its work, that is one line and no traceback."""
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "--traceback" not in sys.argv:
            from core.database import readiness as database

            database.ensure_answer()
            raise database.explain(error) from error
        raise


def _serve() -> None:
    """What is wrong in an app is raised here; Django's own way would take another `runserver`."""
    import django

    django.setup()
    _execute()


if __name__ == "__main__":
    main()
