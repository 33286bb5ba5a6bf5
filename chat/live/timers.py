"""What a process writes to the database now and then. While that is away, it is tried again."""

import asyncio
import logging

from django.db import Error as DatabaseError

from core import tasks
from core.trouble import Trouble

logger = logging.getLogger(__name__)


class Timer:
    """Does `work` `every` so many seconds, from the first `start` on."""

    name: str
    every: float
    fails: str  # what the log says where it cannot

    def __init__(self) -> None:
        self._kept: tasks.Kept | None = None
        self._trouble = Trouble(logger, self.fails)

    async def work(self) -> None:
        raise NotImplementedError

    def start(self) -> None:
        if self._kept is None:
            self._kept = tasks.keep(self.name, self._work_for_ever)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.cancel()

    async def _work_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            try:
                await self.work()
                self._trouble.over()
            except DatabaseError as error:
                self._trouble.met(error)
