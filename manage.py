#!/usr/bin/env python
"""Every command of the project: `manage.py help` lists them."""

import os
import sys


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
        execute_from_command_line(sys.argv)
    except Problem as problem:
        sys.exit(f"manage.py: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
