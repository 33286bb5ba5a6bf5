"""Work beside the requests: no task of a process ends unseen.

`keep` is for what runs as long as the process: what ends it is logged, and it begins again after a
pause that grows. `/healthz` names what is down. `spawn` is for what runs once: what it raises is
logged.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

PAUSE = 0.1  # seconds before the first new beginning; twice as many before each one after it …
PAUSE_MAX = 30.0  # … up to so many …
STEADY = 60.0  # … until it has run for so long

Work = Callable[[], Coroutine[Any, Any, None]]

_kept: "set[Kept]" = set()
_spawned: set[asyncio.Task[Any]] = set()


class _BeginAgain(Exception):
    """Not a failure."""


class Kept:
    """Work that begins again when it fails. It ends where it returns, or is cancelled from here."""

    def __init__(self, name: str, work: Work, *, vital: bool) -> None:
        self.name = name
        self.vital = vital
        self._work = work
        self.pause = 0.0  # before the last new beginning
        self._well_from = 0.0  # it counts as down until then
        self._run: asyncio.Task[None] | None = None
        self._why: Exception | None = None  # we have cancelled the run ourselves
        self._task = asyncio.get_running_loop().create_task(self._keep(), name=f"keep {name}")
        self._task.add_done_callback(lambda _: _kept.discard(self))
        _kept.add(self)

    @property
    def is_down(self) -> bool:
        """It has failed, and has not yet run for as long as it paused."""
        return time.monotonic() < self._well_from

    def done(self) -> bool:
        """Whether its work has returned, also in the moment before the task around it hears of it:
        who comes then must begin it anew."""
        run = self._run
        returned = run is not None and run.done() and not run.cancelled() and not run.exception()
        return self._task.done() or returned

    def cancel(self) -> None:
        self._task.cancel()

    def begin_again(self) -> None:
        """What it rests on has changed."""
        self._stop(_BeginAgain())

    def fail(self, why: str) -> None:
        """It runs, and does not do its work."""
        self._stop(RuntimeError(why))

    def _stop(self, why: Exception) -> None:
        if self._run is not None and not self._run.done():
            self._why = why
            self._run.cancel()

    async def wait(self) -> None:
        """Until it has returned, or was cancelled."""
        await asyncio.wait([self._task])

    async def _keep(self) -> None:
        while True:
            self._why = None
            began = time.monotonic()
            self._run = asyncio.get_running_loop().create_task(self._work(), name=self.name)
            try:
                return await self._run
            except asyncio.CancelledError:
                if self._task.cancelling():
                    raise
                error: Exception = self._why or RuntimeError("something has cancelled it")
            except Exception as failed:
                error = failed
            if isinstance(error, _BeginAgain):
                continue
            if time.monotonic() - began > STEADY:
                self.pause = 0.0
            self.pause = min(2 * self.pause or PAUSE, PAUSE_MAX)
            self._well_from = time.monotonic() + 2 * self.pause
            logger.error(
                "%s has failed and begins again in %.1f s", self.name, self.pause, exc_info=error
            )
            await asyncio.sleep(self.pause)


def keep(name: str, work: Work, *, vital: bool = False) -> Kept:
    """Run `work` in this event loop until it returns. `vital`: without it the process cannot do
    what it is for, and is not ready."""
    return Kept(name, work, vital=vital)


def spawn(name: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Run `work` once; what it raises is logged."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _spawned.add(task)  # the event loop alone would not keep it
    task.add_done_callback(_ended)
    return task


def down(*, vital: bool = False) -> list[str]:
    """The names of the kept work that is down; of the vital only, if asked."""
    return sorted({one.name for one in _kept if one.is_down and (one.vital or not vital)})


def log_failure(task: "asyncio.Future[Any]", name: str) -> None:
    """Log what a task has raised that is done."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s has failed", name, exc_info=error)


def _ended(task: "asyncio.Task[Any]") -> None:
    _spawned.discard(task)
    log_failure(task, task.get_name())
