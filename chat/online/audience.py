"""The connections that see who is online in one room, and what they have not been told yet.

Comings and goings that gather within a moment leave together, one frame a connection. In a crowd
nobody reads a list of thousands, and telling each arrival to everybody would grow with the square
of the people: there everybody sees the same first hundred and a count, renewed once a second.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from heapq import nsmallest

from django.conf import settings

from chat.live.connection import Connection
from chat.live.outbox import Parcel
from chat.online.names import Names
from chat.protocol import frames
from chat.protocol.changes import Person
from chat.protocol.commands import Ref
from core import tasks
from core.trouble import Trouble
from presence.roster import Roster
from presence.store import Movement

logger = logging.getLogger(__name__)

LEARN_AGAIN = 1.0  # seconds until names are asked for again, where they could not be read

_learning = Trouble(logger, "Presence waits for names that can't be read")


class Audience:
    """`roster` is who is there.

    Nobody is shown without a name: what is told waits until all who are in it are known.
    """

    def __init__(self, roster: Roster, names: Names) -> None:
        self._roster = roster
        self._names = names
        self._watchers: set[Connection] = set()
        self._newcomers: dict[Connection, int] = {}  # with the version that they were shown
        self._news: list[Movement] = []
        self._shown: set[str] | None = None  # of a crowd, those that everybody sees
        self._shown_at = 0  # the version that they are of …
        self._online_then = 0  # … and how many were there
        self._begins_again = False  # not all see the same: the next flush shows all to everybody
        self._flushing: asyncio.Task[None] | None = None
        self._encoded: tuple[object, bytes] = (None, b"")  # a state, and what it is of

    def __contains__(self, connection: object) -> bool:
        return connection in self._watchers or connection in self._newcomers

    def show(self, connection: Connection, ref: Ref = None) -> None:
        """Send `presence.state`; from then on the connection is told each change after it."""
        if self._is_crowd != (self._shown is not None):
            if (self._watchers | self._newcomers.keys()) - {connection}:
                self._begin_again()  # the room has just crossed the limit
            else:
                self._shown = None
        connection.push_one(self._state(ref))
        self._watchers.discard(connection)
        if not connection.is_closing:
            self._newcomers[connection] = self._roster.version

    def show_later(self, connection: Connection) -> None:
        """The roster is not known yet: when it is, `show_all` reaches the connection too."""
        if not connection.is_closing:
            self._watchers.add(connection)

    def show_all(self, *, anew: bool = False) -> None:
        """Something was lost on the way: soon everybody is shown what is. Not at once: a crowd in
        which much is lost costs no more than another.

        `anew` where versions have fallen: a state tells that, and nothing else does."""
        if anew:
            self._encoded = (None, b"")
            self._news.clear()
        if not self._watchers and not self._newcomers:
            self._shown = None
        elif self._is_crowd and self._shown is not None and not anew:
            self._plan()  # a count has all that is needed
        else:
            self._begin_again()

    def renamed(self) -> None:
        """Somebody who is here has another name."""
        self._encoded = (None, b"")
        self._begin_again()

    def leave(self, connection: Connection) -> None:
        self._watchers.discard(connection)
        self._newcomers.pop(connection, None)

    def tell(self, news: Sequence[Movement]) -> None:
        """Changes in order; they leave in a moment."""
        self._news += news
        self._plan()

    @property
    def shown(self) -> Iterable[str]:
        """Those whom a newcomer is shown. To ask changes nothing of what anybody was shown."""
        if not self._is_crowd:
            return self._roster.users
        return self._first() if self._shown is None else self._shown

    @property
    def _is_crowd(self) -> bool:
        return len(self._roster.users) > settings.PRESENCE_LIST_MAX

    def _begin_again(self) -> None:
        self._begins_again = True
        self._plan()

    def _plan(self) -> None:
        if self._flushing is None:
            wait = settings.PRESENCE_GATHER_SECONDS
            if self._shown is not None:
                wait = max(wait, settings.PRESENCE_COUNT_SECONDS)
            self._flushing = tasks.spawn("showing who came and went", self._flush_in(wait))

    async def _flush_in(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            while unknown := [user for user in self._needed() if self._named(user) is None]:
                try:
                    await self._names.learn(map(int, unknown))
                    _learning.over()
                except Exception as error:  # whatever it is: else nobody here would be told more
                    _learning.met(repr(error))
                    await asyncio.sleep(LEARN_AGAIN)
        finally:
            self._flushing = None
        self._flush()

    def _needed(self) -> Iterable[str]:
        """Whose names the next flush needs."""
        if self._is_crowd:
            return self._first() | (self._shown or set())
        if self._begins_again or self._shown is not None:
            return self._roster.users
        return {change.user for change in self._news}

    def _flush(self) -> None:
        news, self._news = self._news, []
        begins_again, self._begins_again = self._begins_again, False
        if self._is_crowd != (self._shown is not None):
            begins_again = True  # it has become a crowd, or is one no longer
        if not begins_again and not self._is_crowd:
            frames = [(change.version, self._change(change)) for change in news]
            if frames:
                self._push(Parcel([frame for _, frame in frames]))
            self._tell_newcomers(frames)
            self._settle()
            return
        self._settle()
        if begins_again:
            self._shown = None
            frame = self._state(None)
        elif self._roster.version != self._shown_at:
            frame = self._count()
        else:
            return  # everybody was shown all in the meantime
        self._push(Parcel([frame]))

    def _tell_newcomers(self, news: Sequence[tuple[int, bytes]]) -> None:
        """What is new to them: their state has the rest already."""
        for connection, seen in self._newcomers.items():
            if frames := [frame for version, frame in news if version > seen]:
                connection.push(Parcel(frames))

    def _settle(self) -> None:
        self._watchers |= self._newcomers.keys()
        self._newcomers.clear()

    def _push(self, parcel: Parcel) -> None:
        for connection in self._watchers:
            connection.push(parcel)

    def _state(self, ref: Ref) -> bytes:
        if self._is_crowd and self._shown is None:
            self._show_first()
        of = (self._is_crowd, self._shown_at if self._is_crowd else self._roster.version)
        if ref is None and self._encoded[0] == of:  # many come at once
            return self._encoded[1]
        if self._is_crowd:
            # Not of now: the next count, which tells what has changed since, must be newer.
            users: Iterable[str] = sorted(self._shown or (), key=_order)
            online, version = self._online_then, self._shown_at
        else:
            users = self._roster.users
            online, version = len(self._roster.users), self._roster.version
        people = self._known(users)
        state = frames.presence_state(people, online, version, more=self._is_crowd, ref=ref)
        if len(people) < (len(self._shown or ()) if self._is_crowd else online):
            self._begin_again()  # somebody new to this process has come: their name is on its way
        elif ref is None:
            self._encoded = (of, state)
        return state

    def _change(self, change: Movement) -> bytes:
        (user,) = self._known([change.user])
        return frames.presence_change(change.kind, user, change.online, change.version)

    def _count(self) -> bytes:
        assert self._shown is not None
        before = self._shown
        self._show_first()
        joined = self._known(sorted(self._shown - before, key=_order))
        left = self._known(sorted(before - self._shown, key=_order))
        return frames.presence_count(self._online_then, self._shown_at, joined, left)

    def _show_first(self) -> None:
        self._shown, self._shown_at = self._first(), self._roster.version
        self._online_then = len(self._roster.users)

    def _named(self, user: str) -> Person | None:
        return self._names.known(int(user))

    def _known(self, users: Iterable[str]) -> list[Person]:
        return [person for user in users if (person := self._named(user)) is not None]

    def _first(self) -> set[str]:
        """The same ones in every process, whoever came when."""
        return set(nsmallest(settings.PRESENCE_SHOWN, self._roster.users, key=_order))


def _order(user: str) -> tuple[int, str]:
    return len(user), user  # numbers in the order of numbers
