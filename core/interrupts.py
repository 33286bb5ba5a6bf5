"""Ctrl-C, heard for sure.

Python throws a KeyboardInterrupt away that is raised while an object is destroyed or a callback of
C code runs ("Exception ignored in …"): who presses Ctrl-C in that moment of a start is not heard.
"""

import signal
from types import FrameType

_heard: list[int] = []


def listen() -> None:
    """From here on remember that it was pressed, beside raising KeyboardInterrupt."""
    signal.signal(signal.SIGINT, _pressed)


def heard() -> bool:
    return bool(_heard)


def _pressed(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    signal.default_int_handler(number, frame)
