"""A vacant room stays while somebody sits in it: noted now and then, in a statement for all."""

import asyncio
import logging
from collections.abc import Callable, Collection

from django.db import Error as DatabaseError

from chat.reading import reading
from chat.vacancy import NOTED_EVERY, note_people
from core import tasks
from core.trouble import Trouble

logger = logging.getLogger(__name__)


class Sitting:
    """`rooms` gives those that may be vacant, and in which this process has somebody."""

    def __init__(self, rooms: Callable[[], Collection[int]]) -> None:
        self._rooms = rooms
        self._timer: tasks.Kept | None = None
        self._trouble = Trouble(logger, "Could not note that somebody is in a room")

    def start(self) -> None:
        if self._timer is None:
            self._timer = tasks.keep("noting rooms with people", self._note_for_ever)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def note(self) -> None:
        if rooms := self._rooms():
            await reading(note_people)(rooms)

    async def _note_for_ever(self) -> None:
        while True:
            await asyncio.sleep(NOTED_EVERY.total_seconds())
            try:
                await self.note()
                self._trouble.over()
            except DatabaseError as error:
                self._trouble.met(error)
