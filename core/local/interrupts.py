"""Ctrl-C, heard for sure.

Python throws a KeyboardInterrupt away that is raised while an object is destroyed or a callback of
C code runs ("Exception ignored in …"): who presses Ctrl-C in that moment of a start is not heard.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_heard: list[int] = []


def listen() -> None:
    """From here on remember that it was pressed, beside raising KeyboardInterrupt."""
    signal.signal(signal.SIGINT, _pressed)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def put_off() -> Iterator[None]:
    """Keep it waiting, also in a process that is started meanwhile: there until `listen`. Python
    would show where it was in its own start."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def heard() -> bool:
    return bool(_heard)


def repeat() -> None:
    """Be interrupted now, where it was thrown away before."""
    os.kill(os.getpid(), signal.SIGINT)


def end() -> None:
    """End in order, from any thread."""
    os.kill(os.getpid(), signal.SIGTERM)


def _pressed(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    signal.default_int_handler(number, frame)
