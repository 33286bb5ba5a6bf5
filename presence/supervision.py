"""Work that goes on for as long as the process lives."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]

PAUSE = 1.0  # seconds until work that failed begins again


class Running(Protocol):
    """What goes on until it is cancelled."""

    def done(self) -> bool: ...

    def cancel(self) -> object: ...


Keep = Callable[[str, Work], Running]


def keep(name: str, work: Work) -> Running:
    """Begins again whatever happens. A project may have better ways to see to its tasks."""

    async def keeping() -> None:
        while True:
            try:
                await work()
            except Exception:
                logger.exception("%s has failed", name)
                await asyncio.sleep(PAUSE)

    return asyncio.create_task(keeping(), name=name)
