"""What goes wrong outside the code."""


class Problem(Exception):
    """Something that the person at the terminal can put right.

    Its text is one line: what is wrong, where, and what to do. `manage.py` prints it in place of
    a traceback and exits with status 1.
    """
