"""Who is online in a room: the tracker's changes, brought to the room's feed in every process."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings

from chat import events
from chat.audience import Audience
from chat.events import Person
from chat.feed import Feed
from chat.hub import Hub
from chat.people import People
from presence.store import Change
from presence.tracker import AWAY, Tracker

if TYPE_CHECKING:
    from chat.connection import Connection

logger = logging.getLogger(__name__)

SITE = "site"  # the scope of everybody who is in any room
PATIENCE = 1.0  # seconds that a newcomer waits for Redis before the room is shown without it


class Online:
    """Presence's scopes are rooms' pks here, its users people's pks."""

    def __init__(self, hub: Hub, people: People) -> None:
        self.tracker: Tracker
        self._hub = hub
        self._people = people
        self._entering: set[asyncio.Task[None]] = set()
        hub.handlers["room.presence"] = self._on_presence

    async def enter(self, feed: Feed, connection: "Connection") -> None:
        """`connection` is here: announce it if the person was not, and find out who else is.

        While Redis does not answer nobody waits for it for long.
        """
        self._people.remember(connection.user)
        entering = asyncio.create_task(self._enter(feed, connection))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        await asyncio.wait([entering], timeout=PATIENCE)
        if entering.done():
            entering.result()
        else:
            entering.add_done_callback(lambda _: self.show_again(feed, connection))
        await self.learn_names(feed)

    async def _enter(self, feed: Feed, connection: "Connection") -> None:
        if not connection.is_invisible:
            await self._take_leases(feed, connection)
        if not feed.roster.known:
            await self._hub.once(("presence", feed.room), lambda: self._refresh(feed))

    async def _take_leases(self, feed: Feed, connection: "Connection") -> None:
        user = str(connection.user.id)
        scopes = (str(feed.room), SITE)
        await asyncio.gather(
            *(self.tracker.enter(scope, user, connection.name) for scope in scopes)
        )
        if connection.is_closing:  # it left while it entered, before there was a lease to give back
            self._give_leases_back(feed, connection)

    def leave(self, feed: Feed, connection: "Connection") -> None:
        if feed.audience is not None:
            feed.audience.leave(connection)
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
        else:
            await self._take_leases(feed, connection)

    def show(self, feed: Feed, connection: "Connection", ref: str | int | None = None) -> None:
        """Send `presence.state`; from then on the connection gets each change after it."""
        if not feed.roster.known:
            connection.push_one(self._state_here(feed, ref))
        else:
            self._audience(feed).show(connection, ref)

    def show_again(self, feed: Feed, connection: "Connection") -> None:
        """Redis has answered late."""
        if feed.roster.known and connection in feed.connections:
            self.show(feed, connection)

    async def learn_names(self, feed: Feed) -> None:
        """See that the names of all who are here are known, before they are shown."""
        needed = feed.roster.users
        if len(needed) > settings.PRESENCE_LIST_MAX:
            needed = dict.fromkeys(self._audience(feed).shown)
        missing = [pk for pk in needed if self._people.known(int(pk)) is None]
        if missing:
            await self._people.named(map(int, missing))

    def announce(self, scope: str, changes: Sequence[Change]) -> None:
        """The tracker's callback: what this process has brought about."""
        if not changes or scope == SITE:
            return
        room = int(scope)
        named = [[*change, self._named(change.user).name] for change in changes]
        self._apply(room, named)
        self._hub.tell(f"room.{room}", {"type": "room.presence", "room": room, "changes": named})

    def heard(self, scope: str, version: int) -> None:
        """The tracker's callback: where a scope stands, after a renewal."""
        feed = None if scope == SITE else self._hub.feeds.get(int(scope))
        if feed is not None and feed.opened and feed.roster.misses(version):
            self._hub.once(("presence", feed.room), lambda: self._recover(feed))

    def _on_presence(self, message: dict[str, Any]) -> None:
        self._apply(message["room"], message["changes"])

    def _apply(self, room: int, named: Sequence[Sequence[Any]]) -> None:
        feed = self._hub.feeds.get(room)
        if feed is None:
            return
        for _, user, _, _, name in named:
            if name:
                self._people.remember(Person(int(user), name))
        applied, hole = feed.roster.apply(Change(*fields[:4]) for fields in named)
        news = [(change.version, self._news(change)) for change in applied]
        if news:
            self._audience(feed).tell(news)
        if hole and feed.roster.known:
            self._hub.once(("presence", room), lambda: self._recover(feed))

    async def _recover(self, feed: Feed) -> None:
        """A change was lost: read the whole state, and show it to everybody."""
        await asyncio.sleep(0.2)  # it may only be late
        before = feed.roster.version
        await self._refresh(feed)
        if feed.roster.version > before:
            await self.learn_names(feed)
            self._audience(feed).show_all()

    async def _refresh(self, feed: Feed) -> None:
        try:
            state = await self.tracker.store.state(str(feed.room))
        except AWAY as error:
            logger.warning("Presence of room %s can't be read: %s", feed.room, error)
            return
        feed.roster.reset(state)
        await self.learn_names(feed)

    def _audience(self, feed: Feed) -> Audience:
        if feed.audience is None:
            feed.audience = Audience(feed.roster, self._named)
        return feed.audience

    def _state_here(self, feed: Feed, ref: str | int | None) -> bytes:
        """Redis is away: at least those who are connected to this process."""
        seen = (one.user for one in feed.connections if not one.is_invisible)
        users = list({user.id: user for user in seen}.values())[: settings.PRESENCE_LIST_MAX]
        return events.presence_state(users, len(users), feed.roster.version, ref=ref)

    def _news(self, change: Change) -> bytes:
        user = self._named(change.user)
        return events.presence_change(change.kind, user, change.online, change.version)

    def _named(self, user: str) -> Person:
        return self._people.known(int(user)) or Person(int(user), "")
