"""Single flight: whoever asks for something that is under way shares it."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from core import tasks


class Flights:
    """What is under way, by its key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Task[Any]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._flights

    def __len__(self) -> int:
        return len(self._flights)

    def once(self, key: Hashable, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Whoever asks for `key` while it is under way shares one run of `work`."""
        task = self._flights.get(key)
        # One that is done may still be in the list, for a moment: it did not see what comes now.
        if task is None or task.done():
            task = self._flights[key] = asyncio.get_running_loop().create_task(work())
            task.add_done_callback(lambda done: self._landed(key, done))
        return asyncio.shield(task)

    def soon(self, key: Hashable, work: Callable[[], Any]) -> None:
        """`once`, for what nobody waits for: what it raises is logged."""
        self.once(key, work).add_done_callback(lambda done: tasks.log_failure(done, f"Hub: {key}"))

    def cancel(self) -> None:
        for flight in self._flights.values():
            flight.cancel()

    def _landed(self, key: Hashable, task: "asyncio.Future[Any]") -> None:
        if self._flights.get(key) is task:
            del self._flights[key]
