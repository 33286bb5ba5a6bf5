"""What open sockets rest on, asked again: a session, an account, no ban, a membership.

Signals (chat/signals.py) end sockets at once. What they miss is found here: a change that fell
between the look-up of a newcomer's rights and its place among the connections, one that went past
the ORM, one that was made while Redis was away. One statement serves everybody.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError

from chat.reading import reading
from core import tasks
from core.models import User
from core.statements import Statement, as_json, fetch
from core.trouble import Trouble

if TYPE_CHECKING:
    from chat.connection import Connection

logger = logging.getLogger(__name__)

Check = Callable[[], Coroutine[Any, Any, None]]

EVERY = 15.0  # seconds between checks of everybody
GATHER = 0.1  # seconds in which newcomers gather to be checked together


class Ending(Enum):
    """Why somebody's connections end: the close code, and what the person is told.

    On 1000 a client comes back, with the session that its browser has by then, and is let in or
    not by what that is worth. It is told nothing: the room has not closed for it.
    """

    SIGNED_OUT = 4401, "You are signed out."  # by oneself, or the session was over
    DEACTIVATED = 4401, "This account is closed."
    # The session was replaced by a sign-in or a sign-up, or the password has changed; the room is
    # gone, or is a private one now.
    COME_BACK = 1000, ""
    BANNED = 4403, "You are banned."
    REMOVED = 4403, "You were removed from this room."

    def __init__(self, code: int, detail: str) -> None:
        self.code = code
        self.detail = detail


# Each verdict is the name of an Ending.
_FIND = Statement(
    "chat_rights",
    ["json"],
    """
SELECT held.place, verdict.ending, person.is_invisible, mute.is_on, member.id IS NOT NULL
  FROM json_to_recordset($1)
       AS held(place int, person bigint, room bigint, session text, password text,
               invisible boolean, muted boolean, member boolean)
  LEFT JOIN core_user person ON person.id = held.person
  LEFT JOIN chat_room room ON room.id = held.room
  LEFT JOIN chat_membership member ON member.room_id = held.room AND member.user_id = held.person
 CROSS JOIN LATERAL (SELECT CASE
       WHEN person.is_active IS NOT TRUE THEN 'DEACTIVATED'
       WHEN held.session IS NOT NULL
            AND encode(sha256(convert_to(person.password, 'UTF8')), 'hex') <> held.password
            THEN 'COME_BACK'
       WHEN held.session IS NOT NULL AND NOT EXISTS (
            SELECT FROM django_session s
             WHERE s.session_key = held.session AND s.expire_date > now()) THEN 'SIGNED_OUT'
       WHEN EXISTS (
            SELECT FROM chat_sanction s
             WHERE s.user_id = held.person AND s.kind = 'ban'
               AND (s.room_id = held.room OR s.room_id IS NULL)
               AND (s.until IS NULL OR s.until > now())) THEN 'BANNED'
       WHEN room.id IS NULL THEN 'COME_BACK'
       WHEN room.kind <> 'open' AND member.id IS NULL
            THEN CASE WHEN held.member THEN 'REMOVED' ELSE 'COME_BACK' END
       END AS ending) verdict
 CROSS JOIN LATERAL (SELECT EXISTS (
            SELECT FROM chat_sanction s
             WHERE s.user_id = held.person AND s.kind = 'mute'
               AND (s.room_id = held.room OR s.room_id IS NULL)
               AND (s.until IS NULL OR s.until > now())) AS is_on) mute
 WHERE verdict.ending IS NOT NULL OR person.is_invisible <> held.invisible
    OR mute.is_on <> held.muted OR member.id IS NOT NULL AND NOT held.member
""",
)


def sign_of(user: User) -> str:
    """A sign of the password that can be compared, and not be tried against."""
    return sha256(user.password.encode()).hexdigest()


class Rights:
    """`everybody` gives the connections of this process; `see` takes a person's visibility."""

    def __init__(
        self,
        everybody: Callable[[], Iterable["Connection"]],
        see: Callable[["Connection", bool], None],
    ) -> None:
        self._everybody = everybody
        self._see = see
        self._newcomers: set[Connection] = set()
        self._checking: dict[str, tasks.Kept] = {}
        self._trouble = Trouble(logger, "Could not check who may still be here")

    def came(self, connection: "Connection") -> None:
        """Check it in a moment, with all who come meanwhile; and from then on, with everybody.
        Also for one of whose person something has changed."""
        self._newcomers.add(connection)
        self._keep("rights of newcomers", self._check_newcomers)
        self._keep("rights of everybody", self._check_everybody)

    def _keep(self, name: str, work: Check) -> None:
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
            everybody = list(self._everybody())
            if not everybody:  # while there is nobody, there is no timer
                return
            await self._check(everybody)

    async def _check(self, connections: Collection["Connection"]) -> None:
        held = [one for one in connections if not one.is_closing]
        if not held:
            return
        try:
            found = await reading(changed)(held)
            self._trouble.over()
        except DatabaseError as error:
            self._trouble.met(error)
            return
        for place, ending, is_invisible, is_muted, is_member in found:
            if ending is not None:
                held[place].end_with(Ending[ending])
            else:
                held[place].is_muted = is_muted
                held[place].is_member |= is_member
                self._see(held[place], is_invisible)


def changed(held: Sequence["Connection"]) -> list[tuple[Any, ...]]:
    """Of those whose rights or visibility are not what they came with: the place in `held`, why
    they must go (the name of an Ending, or None), whether they do not want to be seen, are muted,
    and are a member."""
    rows = [
        {
            "place": place,
            "person": one.user.id,
            "room": one.room_id,
            "session": one.session,
            "password": one.password,
            "invisible": one.is_invisible,
            "muted": one.is_muted,
            "member": one.is_member,
        }
        for place, one in enumerate(held)
    ]
    return fetch((_FIND, [as_json(rows)]))
