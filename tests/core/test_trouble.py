"""Trouble that goes on is said when it begins, now and then, and when it is over."""

import logging

import pytest
from django.conf import settings
from django.db import OperationalError

from core import trouble
from core.trouble import Seldom, Trouble
from tests.support.clock import Clock

logger = logging.getLogger("tests.trouble")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trouble, "time", clock)
    return clock


@pytest.fixture
def writing() -> Trouble:
    return Trouble(logger, "Could not write")


def test_five_thousand_failures_are_three_lines(
    clock: Clock, writing: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5_000):
        writing.met(OperationalError("No space\nleft on device"))
        clock.now += 1 / 64
    clock.now += trouble.QUIET
    for _ in range(100):
        writing.over()
    assert caplog.messages == [
        "Could not write: No space left on device",
        "Could not write, 3,841 times in 60 s so far: No space left on device",
        "Works again. Could not write: 5,000 times in 78 s in all",
    ]
    writing.met("again")
    assert caplog.messages[3:] == ["Could not write: again"]


def test_what_fails_and_works_in_turns_is_not_over(
    clock: Clock, writing: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    """On a full disk what fits into a page that is there is still written."""
    for _ in range(500):
        writing.met("full")
        clock.now += 0.1
        writing.over()
    assert caplog.messages == ["Could not write: full"]


def test_another_kind_of_trouble_in_between_is_said(
    clock: Clock, writing: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (OSError("away"), ValueError("unfit"), OSError("away"), ValueError("unfit")):
        writing.met(error)
    assert [line.rpartition(": ")[2] for line in caplog.messages] == ["away", "unfit"]


def test_what_never_failed_says_nothing(writing: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    writing.over()
    assert not caplog.messages


def test_others_lines_pass_once_a_minute_each_and_what_is_no_warning_always(clock: Clock) -> None:
    seldom = Seldom()

    def passes(message: str, level: int = logging.WARNING) -> bool:
        record = logging.LogRecord("psycopg.pool", level, "", 0, message, (), None)
        return bool(seldom.filter(record))

    assert [passes("error connecting in %r"), passes("another")] == [True, True]
    assert [passes("error connecting in %r"), passes("another")] == [False, False]
    assert [passes("told", logging.INFO) for _ in range(3)] == [True] * 3
    clock.now += trouble.AGAIN
    assert passes("error connecting in %r")


@pytest.mark.parametrize(
    "name",
    [
        *("channels_redis.pubsub", "psycopg.pool"),
        *("presence.reader", "presence.store", "presence.tracker"),
    ],
)
def test_those_who_log_each_try_are_heard_seldom(name: str) -> None:
    assert settings.LOGGING["loggers"][name]["filters"] == ["seldom"]
    assert any(isinstance(one, Seldom) for one in logging.getLogger(name).filters)
