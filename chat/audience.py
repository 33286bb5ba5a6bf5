"""The connections that see who is online in one room, and what they have not been told yet.

Comings and goings that gather within a moment leave together, one frame a connection. In a crowd
nobody reads a list of thousands, and telling each arrival to everybody would grow with the square
of the people: there everybody sees the same first hundred and a count, renewed once a second.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING

from django.conf import settings

from chat import events
from chat.events import Person
from chat.outbox import Parcel
from presence.roster import Roster

if TYPE_CHECKING:
    from chat.connection import Connection

Named = Callable[[str], Person]


class Audience:
    """`roster` is who is there; `named` gives a user's name."""

    def __init__(self, roster: Roster, named: Named) -> None:
        self._roster = roster
        self._named = named
        self._watchers: set[Connection] = set()
        self._newcomers: dict[Connection, int] = {}  # with the version that they were shown
        self._news: list[tuple[int, bytes]] = []
        self._shown: set[str] | None = None  # of a crowd, those that everybody sees
        self._shown_at = 0  # the version that they are of …
        self._online_then = 0  # … and how many were there
        self._is_mixed = False  # some see a list and some a crowd, until the next flush
        self._timer: asyncio.TimerHandle | None = None
        self._encoded: tuple[object, bytes] = (None, b"")  # a state, and what it is of

    def __contains__(self, connection: object) -> bool:
        return connection in self._watchers or connection in self._newcomers

    def show(self, connection: "Connection", ref: str | int | None = None) -> None:
        """Send `presence.state`; from then on the connection is told each change after it."""
        if self._is_crowd != (self._shown is not None):
            if (self._watchers | self._newcomers.keys()) - {connection}:
                # The room has just crossed the limit: the others are told in a moment.
                self._is_mixed = True
                self._plan()
            else:
                self._shown = None
        connection.push_one(self._state(ref))
        self._watchers.discard(connection)
        if not connection.is_closing:
            self._newcomers[connection] = self._roster.version

    def show_all(self) -> None:
        """Begin again: something was lost on the way."""
        self._news.clear()
        self._shown = None
        self._is_mixed = False
        self._settle()
        self._push(Parcel([self._state(None)]), self._watchers)

    def leave(self, connection: "Connection") -> None:
        self._watchers.discard(connection)
        self._newcomers.pop(connection, None)

    def tell(self, news: Sequence[tuple[int, bytes]]) -> None:
        """Frames with their versions, in order; they leave in a moment."""
        self._news += news
        self._plan()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @property
    def shown(self) -> set[str]:
        """Those of a crowd that are named. To ask changes nothing of what anybody was shown."""
        return self._first() if self._shown is None else self._shown

    @property
    def _is_crowd(self) -> bool:
        return len(self._roster.users) > settings.PRESENCE_LIST_MAX

    def _plan(self) -> None:
        if self._timer is None:
            wait = settings.PRESENCE_GATHER_SECONDS
            if self._shown is not None:
                wait = max(wait, settings.PRESENCE_COUNT_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(wait, self._flush)

    def _flush(self) -> None:
        self._timer = None
        news, self._news = self._news, []
        is_mixed, self._is_mixed = self._is_mixed, False
        if not news and not is_mixed:  # everybody was shown all in the meantime
            self._settle()
            return
        if not self._is_crowd and self._shown is None and not is_mixed:
            self._push(Parcel([frame for _, frame in news]), self._watchers)
            self._tell_newcomers(news)
            self._settle()
            return
        self._settle()
        if self._is_crowd and self._shown is not None and not is_mixed:
            frame = self._count()
        else:  # it has become a crowd, or is one no longer: everybody begins again
            self._shown = None
            frame = self._state(None)
        self._push(Parcel([frame]), self._watchers)

    def _tell_newcomers(self, news: Sequence[tuple[int, bytes]]) -> None:
        """What is new to them: their state has the rest already."""
        for connection, seen in list(self._newcomers.items()):  # one that is too slow leaves it
            frames = [frame for version, frame in news if version > seen]
            if frames and not connection.push(Parcel(frames)):
                connection.too_slow()

    def _settle(self) -> None:
        self._watchers |= self._newcomers.keys()
        self._newcomers.clear()

    def _push(self, parcel: Parcel, connections: "set[Connection]") -> None:
        for connection in [one for one in connections if not one.push(parcel)]:
            connection.too_slow()

    def _state(self, ref: str | int | None) -> bytes:
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
        people = [self._named(user) for user in users]
        state = events.presence_state(people, online, version, more=self._is_crowd, ref=ref)
        if ref is None and all(person.name for person in people):
            self._encoded = (of, state)
        return state

    def _count(self) -> bytes:
        assert self._shown is not None
        before = self._shown
        self._show_first()
        joined = [self._named(user) for user in sorted(self._shown - before, key=_order)]
        left = [self._named(user) for user in sorted(before - self._shown, key=_order)]
        return events.presence_count(self._online_then, self._shown_at, joined, left)

    def _show_first(self) -> None:
        self._shown, self._shown_at = self._first(), self._roster.version
        self._online_then = len(self._roster.users)

    def _first(self) -> set[str]:
        """The same ones in every process, whoever came when."""
        return set(nsmallest(settings.PRESENCE_SHOWN, self._roster.users, key=_order))


def _order(user: str) -> tuple[int, str]:
    return len(user), user  # numbers in the order of numbers
