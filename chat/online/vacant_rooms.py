"""A vacant room stays while somebody sits in it: noted now and then, in a statement for all."""

from collections.abc import Callable, Collection

from chat.live.queries import query
from chat.live.timers import Timer
from chat.rooms.vacancy import NOTED_EVERY, note_people


class Occupancy(Timer):
    """`rooms` gives those that may be vacant, and in which this process has somebody."""

    name = "noting rooms with people"
    every = NOTED_EVERY.total_seconds()
    fails = "Could not note that somebody is in a room"

    def __init__(self, rooms: Callable[[], Collection[int]]) -> None:
        super().__init__()
        self._rooms = rooms

    async def work(self) -> None:
        if rooms := self._rooms():
            await query(note_people)(rooms)
