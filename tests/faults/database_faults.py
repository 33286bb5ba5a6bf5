"""What befalls a writer's transactions in the simulation, on the way to PostgreSQL and back."""

import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

from chat.log import apply, writer


class DatabaseFaults:
    """`come` says what befalls the next transactions, one each; what comes after them succeeds.
    `others_write` is what other processes do, where a fault leaves them the time."""

    def __init__(self, patch: pytest.MonkeyPatch, others_write: Callable[[], None]) -> None:
        self._others_write = others_write
        self._coming: deque[str] = deque()
        self._apply = apply.apply
        patch.setattr(apply, "apply", self._befallen)
        patch.setattr(writer, "time", SimpleNamespace(**vars(time) | {"sleep": lambda _: None}))

    def come(self, *faults: str) -> None:
        self._coming.extend(faults)

    def end(self) -> None:
        self._coming.clear()

    def _befallen(self, *args: Any, **options: Any) -> Any:
        def apply() -> Any:
            return self._apply(*args, **options)

        if not self._coming:
            return apply()
        fault = self._coming.popleft()
        if fault != "overtaken":
            return FAULTS[fault](apply)
        apply()
        self._others_write()
        return _cut_after(list)


def _deadlock(apply: Callable[[], Any]) -> Any:
    raise OperationalError("deadlock detected") from DeadlockDetected()


def _cut_before(apply: Callable[[], Any]) -> Any:
    connection.ensure_connection()
    connection.connection.close()
    return apply()


def _cut_after(apply: Callable[[], Any]) -> Any:
    """It has committed, and nobody hears of it."""
    apply()
    connection.connection.close()
    raise OperationalError("the connection is lost") from psycopg.OperationalError()


FAULTS = {"deadlock": _deadlock, "cut before": _cut_before, "cut after": _cut_after}
