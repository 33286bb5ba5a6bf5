"""Who is online in a room: the tracker's changes, brought to the room's feed in every process."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings

from chat import events
from chat.audience import Audience
from chat.events import Person
from chat.feed import Feed
from chat.hub import Hub
from chat.people import People
from core import tasks
from core.trouble import Trouble
from presence.store import Change
from presence.tracker import Tracker
from presence.wire import AWAY

if TYPE_CHECKING:
    from chat.connection import Connection

logger = logging.getLogger(__name__)

SITE = "site"  # the scope of everybody who is in any room
PATIENCE = 1.0  # seconds that a newcomer waits for Redis before the room is shown without it
LATE = 0.2  # seconds that a change may arrive after the next one, …
READS = 3  # … before the state is read, at most so often for one hole


class Online:
    """Presence's scopes are rooms' pks here, its users people's pks."""

    def __init__(self, hub: Hub, people: People) -> None:
        self.tracker: Tracker
        self._hub = hub
        self._people = people
        people.renamed = self._renamed
        self._reading = Trouble(logger, "Presence can't be read")
        hub.handlers["room.presence"] = self._on_presence

    async def enter(self, feed: Feed, connection: "Connection") -> None:
        """`connection` is here: announce it if the person was not, and find out who else is.

        While Redis does not answer nobody waits for it for long.
        """
        self._people.remember(connection.user)
        self.tracker.watch(str(feed.room))
        entering = tasks.spawn("entering a room's presence", self._enter(feed, connection))
        await asyncio.wait([entering], timeout=PATIENCE)
        if entering.done():
            entering.result()
        await self.learn_names(feed)

    async def _enter(self, feed: Feed, connection: "Connection") -> None:
        if not connection.is_invisible:
            await self._take_leases(feed, connection)
        if not feed.roster.known:
            await self._refresh(feed)

    async def _take_leases(self, feed: Feed, connection: "Connection") -> None:
        user = str(connection.user.id)
        scopes = (str(feed.room), SITE)
        await asyncio.gather(
            *(self.tracker.enter(scope, user, connection.name) for scope in scopes)
        )
        # It left, or turned invisible, while it entered: before there was a lease to give back.
        if connection.is_closing or connection.is_invisible:
            self._give_leases_back(feed, connection, at_once=connection.is_invisible)

    def leave(self, feed: Feed, connection: "Connection") -> None:
        if feed.audience is not None:
            feed.audience.leave(connection)
        # A late one may leave a feed that was given up, when others follow a new one.
        now = self._hub.feeds.get(feed.room, feed)
        if not feed.is_followed and not now.is_followed:
            self.tracker.unwatch(str(feed.room))
        self._give_leases_back(feed, connection)

    def _give_leases_back(self, feed: Feed, connection: "Connection", **options: bool) -> None:
        for scope in (str(feed.room), SITE):
            self.tracker.leave(scope, str(connection.user.id), connection.name, **options)

    async def set_visibility(self, feed: Feed, connection: "Connection", invisible: bool) -> None:
        """The person has chosen to be seen, or not to be."""
        if connection.is_invisible == invisible:
            return
        connection.is_invisible = invisible
        if invisible:
            self._give_leases_back(feed, connection, at_once=True)
        elif not connection.is_closing:  # else nobody would give them back
            await self._take_leases(feed, connection)

    def show(self, feed: Feed, connection: "Connection", ref: str | int | None = None) -> None:
        """Send `presence.state`; from then on the connection gets each change after it."""
        if feed.roster.known:
            self._audience(feed).show(connection, ref)
        else:
            connection.push_one(self._state_here(feed, ref))
            self._audience(feed).show_later(connection)

    async def learn_names(self, feed: Feed) -> None:
        """See that those whom a newcomer is shown have names."""
        await self._learn(self._audience(feed).shown)

    async def _learn(self, users: Iterable[str]) -> None:
        await self._people.learn([int(user) for user in users])

    def announce(self, scope: str, changes: Sequence[Change]) -> None:
        """The tracker's callback: what this process has brought about."""
        if not changes or scope == SITE:
            return
        room = int(scope)
        known = [self._named(change.user) for change in changes]
        named = [
            [*change, person.name if person else ""]
            for change, person in zip(changes, known, strict=True)
        ]
        self._apply(room, named)
        self._hub.tell(room, {"type": "room.presence", "room": room, "changes": named})

    def heard(self, scope: str, version: int, online: int) -> None:
        """The tracker's callback: where a scope stands, after a renewal."""
        feed = None if scope == SITE else self._hub.feeds.get(int(scope))
        if feed is not None and feed.opened:
            feed.roster.hear(version, online)
            self._mind(feed)

    def _on_presence(self, message: dict[str, Any]) -> None:
        self._apply(message["room"], message["changes"])

    def _apply(self, room: int, named: Sequence[Sequence[Any]]) -> None:
        feed = self._hub.feeds.get(room)
        if feed is None:
            return
        for _, user, _, _, name in named:
            # Only where we have none: the other process may not have heard of a new one yet.
            if name and self._people.known(int(user)) is None:
                self._people.remember(Person(int(user), name))
        applied, hole = feed.roster.apply(Change(*fields[:4]) for fields in named)
        if applied:
            self._audience(feed).tell(applied)
        if hole and feed.roster.known:
            self._mind(feed)

    def _mind(self, feed: Feed) -> None:
        """See that what the room's roster misses is read, unless it comes by itself."""
        if feed.roster.misses:
            self._hub.soon(("recover", feed.room), lambda: self._recover(feed))

    async def _recover(self, feed: Feed) -> None:
        for _ in range(READS):
            await asyncio.sleep(LATE)
            if not feed.roster.misses:
                return
            await self._refresh(feed)

    async def _refresh(self, feed: Feed) -> None:
        """Read the whole state, and show it to all who were shown another."""
        await self._hub.once(("presence", feed.room), lambda: self._read(feed))

    async def _read(self, feed: Feed) -> None:
        newest = feed.roster.newest
        try:
            state = await self.tracker.store.state(str(feed.room))
            self._reading.over()
        except AWAY as error:
            self._reading.met(f"room {feed.room}: {error}")
            return
        before = feed.roster.version
        if feed.roster.reset(state, newest):
            has_fallen = feed.roster.version <= before  # versions that people were shown come again
            self._audience(feed).show_all(anew=has_fallen)
        self._mind(feed)  # more may have arrived meanwhile

    def _audience(self, feed: Feed) -> Audience:
        if feed.audience is None:
            feed.audience = Audience(feed.roster, self._named, self._learn)
        return feed.audience

    def _state_here(self, feed: Feed, ref: str | int | None) -> bytes:
        """Redis is away: at least those who are connected to this process."""
        seen = (one.user for one in feed.connections if not one.is_invisible)
        users = list({user.id: user for user in seen}.values())[: settings.PRESENCE_LIST_MAX]
        return events.presence_state(users, len(users), feed.roster.version, ref=ref)

    def _renamed(self, pk: int) -> None:
        """A guest has signed up, or somebody was given another name."""
        for feed in self._hub.feeds.values():
            if feed.audience is not None and str(pk) in feed.roster.users:
                feed.audience.renamed()

    def _named(self, user: str) -> Person | None:
        return self._people.known(int(user))
