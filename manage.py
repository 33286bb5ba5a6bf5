#!/usr/bin/env python
"""Every command of the project: `manage.py help` lists them."""

import os
import sys
from collections.abc import Callable


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        sys.exit("manage.py: Django is not installed here. Use `make run`, or .venv/bin/python.")

    from core import interrupts, local
    from core.errors import Problem

    interrupts.listen()
    try:
        local.prepare(sys.argv[1:])
        _execute(execute_from_command_line)
    except Problem as problem:
        sys.exit(f"manage.py: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


def _execute(execute: Callable[[list[str]], None]) -> None:
    """Where the database is away, that is one line and no traceback."""
    from django.db import OperationalError

    try:
        execute(sys.argv)
    except OperationalError:
        if "--traceback" not in sys.argv:
            from core import database

            database.ensure_answer()
        raise


if __name__ == "__main__":
    main()
