"""Work beside the requests: what ends begins again, and is named while it is down."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from core import tasks

PATIENCE = 20.0


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


class Clock:
    """Time that passes when a test says so: on a busy machine the real one runs ahead of it."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tasks, "time", clock)
    monkeypatch.setattr(tasks, "PAUSE", 0.02)
    return clock


class Work:
    """Counts its beginnings; fails as long as `fails` says."""

    def __init__(self, error: BaseException) -> None:
        self.begun = 0
        self.waits = False
        self.fails = True
        self._error = error

    async def __call__(self) -> None:
        self.begun += 1
        if self.fails:
            raise self._error
        self.waits = True
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()], ids=repr)
async def test_what_fails_is_logged_named_and_begun_again(
    error: BaseException, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    work = Work(error)
    kept = tasks.keep("the work", work)
    await until(lambda: work.begun == 3)
    work.fails = False
    await until(lambda: work.waits)
    assert tasks.down() == ["the work"]
    assert tasks.down(vital=True) == []
    clock.now += 2 * kept.pause
    assert tasks.down() == []
    assert not kept.done()
    assert "the work has failed and begins again" in caplog.text
    assert ("broken" in caplog.text) == isinstance(error, RuntimeError)
    kept.cancel()
    await kept.wait()


async def test_what_has_returned_is_done_for_whoever_comes_next() -> None:
    """In the same turn of the event loop: it would find it running, and begin nothing."""
    found: list[bool] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(lambda: found.append(kept.done()))

    kept = tasks.keep("the work", work)
    await kept.wait()
    assert found == [True]


async def test_what_fails_at_once_each_time_is_tried_less_and_less_often() -> None:
    pauses = []

    async def work() -> None:
        pauses.append(kept.pause)
        raise RuntimeError

    kept = tasks.keep("the work", work)
    await until(lambda: len(pauses) >= 4)
    assert pauses[:4] == [0.0, 0.02, 0.04, 0.08]
    kept.cancel()
    await kept.wait()


async def test_a_task_that_somebody_ends_is_begun_again() -> None:
    work = Work(RuntimeError())
    work.fails = False
    kept = tasks.keep("the work", work, vital=True)
    await until(lambda: work.begun == 1)
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "the work")
    task.cancel()
    await until(lambda: work.begun == 2)
    assert tasks.down(vital=True) == ["the work"]
    kept.cancel()
    await kept.wait()
    assert tasks.down() == []
    assert work.begun == 2


async def test_what_returns_has_ended() -> None:
    async def work() -> None:
        pass

    kept = tasks.keep("the work", work)
    await kept.wait()
    assert kept.done()
    assert tasks.down() == []


async def test_work_is_begun_again_on_other_ground_without_having_failed() -> None:
    work = Work(RuntimeError())
    work.fails = False
    kept = tasks.keep("the work", work)
    await until(lambda: work.begun == 1)
    kept.begin_again()
    await until(lambda: work.begun == 2)
    assert tasks.down() == []
    kept.fail("it does nothing")
    await until(lambda: work.begun == 3)
    assert tasks.down() == ["the work"]
    kept.cancel()
    await kept.wait()


async def test_what_runs_once_is_logged_where_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def work() -> None:
        raise RuntimeError("broken")

    task = tasks.spawn("one thing", work())
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "one thing has failed" in caplog.text
    assert "broken" in caplog.text
