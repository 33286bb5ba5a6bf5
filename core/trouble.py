"""Trouble that goes on, in the log: its beginning, now and then how it stands, and its end.

What is tried for each message or once a second fails as often while the database or Redis is away;
a line for each would bury everything else, and fill a disk that may be full already.
"""

import logging
import time
from threading import Lock

AGAIN = 60.0  # seconds between lines while it lasts
QUIET = 3.0  # seconds without it after which it is over: on a full disk some writes still succeed
LONGEST = 300  # characters of an error
KINDS_MAX = 1_000  # of lines that are remembered


class Trouble:
    """One thing that may fail for a while. Used by all threads.

    `what` failed is the beginning of each line, as "Could not write to the database".
    """

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._lock = Lock()
        self._began: float | None = None
        self._last = 0.0
        self._error: object = None
        self._said: dict[str, float] = {}  # by kind of error
        self._times = 0

    def met(self, error: object) -> None:
        """It has failed. Another kind of error than before is said at once."""
        kind = type(getattr(error, "__cause__", None) or error).__name__
        with self._lock:
            now = time.monotonic()
            is_new = self._began is None
            if self._began is None:
                self._began, self._times, self._said = now, 0, {}
            self._last, self._error = now, error
            self._times += 1
            if now < self._said.get(kind, -AGAIN) + AGAIN:
                return
            self._said[kind] = now
            so_far = "" if is_new else f", {self._sum()} so far"
            self._logger.warning("%s%s: %s", self._what, so_far, line(error))

    def recent(self, seconds: float) -> object:
        """The last error, if it is not longer ago; else None."""
        with self._lock:
            lasts = self._began is not None and time.monotonic() < self._last + seconds
            return self._error if lasts else None

    def over(self) -> None:
        """It has worked. Costs nothing where it did before."""
        if self._began is None:
            return
        with self._lock:
            if self._began is not None and time.monotonic() >= self._last + QUIET:
                self._logger.warning("Works again. %s: %s in all", self._what, self._sum())
                self._began = self._error = None

    def _sum(self) -> str:
        assert self._began is not None
        times = "once" if self._times == 1 else f"{self._times:,} times"
        return f"{times} in {self._last - self._began:.0f} s"


class Seldom(logging.Filter):
    """For others' loggers, which know no end: each kind of line once in AGAIN seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if record.levelno < logging.WARNING:
            return True
        if now < self._said.get(str(record.msg), -AGAIN) + AGAIN:
            return False
        self._said[str(record.msg)] = now
        if len(self._said) > KINDS_MAX:
            del self._said[next(iter(self._said))]
        return True


def line(error: object) -> str:
    """What an error says, in one line; its kind, where it says nothing."""
    text = " ".join(str(error).split())
    named = type(error).__name__ if isinstance(error, BaseException) else "it failed"
    return text[:LONGEST] or named
