"""When people were last here: written at most once a minute a person, a statement for all."""

import time
from collections.abc import Callable, Iterable

from django.db import Error as DatabaseError
from django.db import connection

from chat.live.queries import query
from chat.live.timers import Timer

EVERY = 60.0  # seconds

# Rows that another process is just writing are skipped: it writes the same.
_WRITE = """
UPDATE core_user SET last_seen_at = now()
 WHERE id IN (
       SELECT id FROM core_user
        WHERE id = ANY(%s) AND NOT is_invisible
          AND (last_seen_at IS NULL OR last_seen_at < now() - make_interval(secs => %s))
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


class LastSeen(Timer):
    """`connected` gives the ids of those who have a connection to this process, and are seen."""

    name = "writing who was here"
    every = EVERY / 4
    fails = "Could not write when people were last seen"

    def __init__(self, connected: Callable[[], Iterable[int]]) -> None:
        super().__init__()
        self._connected = connected
        self._left: set[int] = set()
        self._written: dict[int, float] = {}

    def left(self, user: int) -> None:
        """A connection of `user` here is gone; it is written with the others."""
        self._left.add(user)

    async def work(self) -> None:
        """Write those who are here, or left, and were not written in the last minute."""
        now = time.monotonic()
        left, self._left = self._left, set()
        self._written = {user: at for user, at in self._written.items() if at > now - EVERY}
        due = [user for user in left | {*self._connected()} if user not in self._written]
        if due:
            try:
                done = await query(write_seen)(due)
            except DatabaseError:
                self._left |= left  # nobody else remembers them
                raise
            # Those whom another process wrote a while ago are asked for again when that is over.
            self._written |= dict.fromkeys(done, now)


def write_seen(users: list[int]) -> list[int]:
    """Returns who was written."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [users, EVERY])
        return [pk for (pk,) in cursor.fetchall()]
