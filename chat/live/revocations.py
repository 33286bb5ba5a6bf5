"""Whether those who are here may still be here: a session, an account, no ban, a membership.

Signals (chat/signals.py) close sockets at once. What they miss is found here: a change that fell
between the look-up of a newcomer's rights and its place among the connections, one that went past
the ORM, one that was made while Redis was away. One statement serves everybody.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable

from django.db import Error as DatabaseError

from chat.live.connection import Connection
from chat.live.queries import query
from chat.protocol.errors import Revocation
from chat.rooms.permissions import Known, changed
from core import tasks
from core.trouble import Trouble

logger = logging.getLogger(__name__)

EVERY = 15.0  # seconds between checks of everybody
GATHER = 0.1  # seconds in which newcomers gather to be checked together


class Revocations:
    """`everybody` are the connections of this process; `set_visibility` takes a person's choice."""

    def __init__(
        self,
        everybody: Iterable[Connection],
        set_visibility: Callable[[Connection, bool], None],
    ) -> None:
        self._everybody = everybody
        self._set_visibility = set_visibility
        self._newcomers: set[Connection] = set()
        self._checking: dict[str, tasks.Kept] = {}
        self._trouble = Trouble(logger, "Could not check who may still be here")

    def check_soon(self, connection: Connection) -> None:
        """Check it in a moment, with all that come meanwhile; and from then on, with everybody."""
        self._newcomers.add(connection)
        self._keep("rights of newcomers", self._check_newcomers)
        self._keep("rights of everybody", self._check_everybody)

    def _keep(self, name: str, work: tasks.Work) -> None:
        if name not in self._checking or self._checking[name].done():
            # Vital: it keeps out who is banned, and may no longer read.
            self._checking[name] = tasks.keep(name, work, vital=True)

    async def _check_newcomers(self) -> None:
        while self._newcomers:
            await asyncio.sleep(GATHER)
            newcomers, self._newcomers = self._newcomers, set()
            await self._check(newcomers)

    async def _check_everybody(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            everybody = list(self._everybody)
            if not everybody:  # while there is nobody, there is no timer
                return
            await self._check(everybody)

    async def _check(self, connections: Collection[Connection]) -> None:
        checked = [one for one in connections if not one.is_closing]
        if not checked:
            return
        try:
            found = await query(changed)(list(map(known_of, checked)))
            self._trouble.over()
        except DatabaseError as error:
            self._trouble.met(error)
            return
        for place, revocation, is_invisible, is_muted, is_member in found:
            connection = checked[place]
            if revocation is not None:
                connection.close(Revocation[revocation].code, Revocation[revocation].detail)
            else:
                connection.is_muted = is_muted
                connection.is_member |= is_member
                self._set_visibility(connection, is_invisible)


def known_of(connection: Connection) -> Known:
    return Known(
        person=connection.user.id,
        room=connection.room_id,
        session=connection.session,
        password=connection.password,
        invisible=connection.is_invisible,
        muted=connection.is_muted,
        member=connection.is_member,
    )
