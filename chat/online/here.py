"""Who is online in a room: the tracker's changes, brought to those who look, in every process."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from django.conf import settings

from chat.live import bus
from chat.live.connection import Connection
from chat.live.connections import Connections
from chat.live.hub import Hub
from chat.online.audience import Audience
from chat.online.names import Names
from chat.online.scopes import SITE
from chat.protocol import frames
from chat.protocol.commands import Ref
from core import tasks
from core.trouble import Trouble
from presence.roster import Roster
from presence.round_trip import AWAY
from presence.store import Movement
from presence.tracker import Announce, Heard, Tracker

logger = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds that a newcomer waits for Redis before the room is shown without it
LATE = 0.2  # seconds that a change may arrive after the next one, …
READS = 3  # … before the state is read, at most so often for one hole

MakeTracker = Callable[[Announce, Heard], Tracker]


class Here:
    """Who is in one room, and the connections of this process that are shown it."""

    def __init__(self, room: int, names: Names) -> None:
        self.room = room
        self.roster = Roster()
        self.audience = Audience(self.roster, names)
        self.connections: set[Connection] = set()


class Online:
    """A room is known from the first connection's coming until the hub drops it."""

    def __init__(
        self, hub: Hub, connections: Connections, names: Names, make_tracker: MakeTracker
    ) -> None:
        self.tracker = make_tracker(self.announce, self.heard)
        self._hub = hub
        self._connections = connections
        self._names = names
        self._rooms: dict[int, Here] = {}
        self._reading = Trouble(logger, "Presence can't be read")
        names.on_rename.append(self._renamed)
        hub.on_drop.append(self._forget)
        hub.mailbox.hear(bus.Presence, self._on_presence)
        hub.mailbox.hear(bus.UserChanged, self._on_changed)

    async def enter(self, connection: Connection) -> None:
        """`connection` is here: announce it if the person was not, and find out who else is.

        While Redis does not answer nobody waits for it for long.
        """
        room = connection.room_id
        if room not in self._rooms:
            self._rooms[room] = Here(room, self._names)
        here = self._rooms[room]
        here.connections.add(connection)
        connection.on_end.append(self._leave)
        self._names.remember(connection.user)
        self.tracker.watch(str(room))
        entering = tasks.spawn("entering a room's presence", self._enter(here, connection))
        await asyncio.wait([entering], timeout=PATIENCE)
        if entering.done():
            entering.result()
        await self.learn_names(connection)

    async def _enter(self, here: Here, connection: Connection) -> None:
        if not connection.is_invisible:
            await self._take_leases(connection)
        if not here.roster.known:
            await self._refresh(here)

    async def _take_leases(self, connection: Connection) -> None:
        user = str(connection.user.id)
        await asyncio.gather(
            *(self.tracker.enter(each, user, connection.name) for each in _scopes(connection))
        )
        # It left, or turned invisible, while it entered: before there was a lease to give back.
        if connection.is_closing or connection.is_invisible:
            self._give_leases_back(connection, at_once=connection.is_invisible)

    def _leave(self, connection: Connection) -> None:
        # First: a lease that is not given back would be renewed for as long as the process lives.
        self._give_leases_back(connection)
        here = self._rooms[connection.room_id]
        here.audience.leave(connection)
        here.connections.discard(connection)
        if not here.connections:
            self.tracker.unwatch(str(here.room))

    def _give_leases_back(self, connection: Connection, **options: bool) -> None:
        for scope in _scopes(connection):
            self.tracker.leave(scope, str(connection.user.id), connection.name, **options)

    def set_visibility(self, connection: Connection, invisible: bool) -> None:
        """The person has chosen to be seen, or not to be."""
        if connection.is_invisible == invisible:
            return
        connection.is_invisible = invisible
        here = self._rooms.get(connection.room_id)
        if here is None or connection not in here.connections:  # on its way in
            return
        if invisible:
            self._give_leases_back(connection, at_once=True)
        elif not connection.is_closing:  # else nobody would give them back
            tasks.spawn("showing somebody again", self._take_leases(connection))

    def _on_changed(self, message: bus.UserChanged) -> None:
        """Hide somebody before the database is asked: a renewal meanwhile would show them again."""
        if message.invisible:
            for connection in self._connections.of(message.user):
                self.set_visibility(connection, True)

    def show(self, connection: Connection, ref: Ref = None) -> None:
        """Send `presence.state`; from then on the connection gets each change after it."""
        here = self._rooms[connection.room_id]
        if here.roster.known:
            here.audience.show(connection, ref)
        else:
            connection.push_one(_state_of_ours(here, ref))
            here.audience.show_later(connection)

    async def learn_names(self, connection: Connection) -> None:
        """See that those whom it is shown have names."""
        await self._names.learn(map(int, self._rooms[connection.room_id].audience.shown))

    def announce(self, scope: str, changes: Sequence[Movement]) -> None:
        """The tracker's callback: what this process has brought about."""
        if not changes or scope == SITE:
            return
        people = [self._names.known(int(change.user)) for change in changes]
        moved = [
            bus.Moved.of(change, person.name if person else "")
            for change, person in zip(changes, people, strict=True)
        ]
        message = bus.Presence(int(scope), moved, list(filter(None, people)))
        self._on_presence(message)
        self._hub.tell(message.room, message)

    def _forget(self, room: int) -> None:
        self._rooms.pop(room, None)

    def heard(self, scope: str, version: int, online: int) -> None:
        """The tracker's callback: where a scope stands, after a renewal."""
        here = None if scope == SITE else self._rooms.get(int(scope))
        if here is not None:
            here.roster.hear(version, online)
            self._mind(here)

    def _on_presence(self, message: bus.Presence) -> None:
        here = self._rooms.get(message.room)
        if here is None:
            return
        for person in message.people:
            # Only where we have none: the other process may not have heard of a new name yet.
            if self._names.known(person.id) is None:
                self._names.remember(person)
        applied, hole = here.roster.apply(moved.movement for moved in message.changes)
        if applied:
            here.audience.tell(applied)
        if hole and here.roster.known:
            self._mind(here)

    def _mind(self, here: Here) -> None:
        """See that what the room's roster misses is read, unless it comes by itself."""
        if here.roster.misses:
            self._hub.flights.soon(("recover", here), lambda: self._recover(here))

    async def _recover(self, here: Here) -> None:
        for _ in range(READS):
            await asyncio.sleep(LATE)
            if not here.roster.misses:
                return
            await self._refresh(here)

    async def _refresh(self, here: Here) -> None:
        """Read the whole state, and show it to all who were shown another."""
        await self._hub.flights.once(("presence", here), lambda: self._read(here))

    async def _read(self, here: Here) -> None:
        newest = here.roster.newest
        try:
            state = await self.tracker.store.state(str(here.room))
            self._reading.over()
        except AWAY as error:
            self._reading.met(f"room {here.room}: {error}")
            return
        before = here.roster.version
        if here.roster.reset(state, newest):
            has_fallen = here.roster.version <= before  # versions that people were shown come again
            here.audience.show_all(anew=has_fallen)
        self._mind(here)  # more may have arrived meanwhile

    def _renamed(self, pk: int) -> None:
        """A guest has signed up, or somebody was given another name."""
        for here in self._rooms.values():
            if str(pk) in here.roster.users:
                here.audience.renamed()


def _scopes(connection: Connection) -> Iterable[str]:
    return str(connection.room_id), SITE


def _state_of_ours(here: Here, ref: Ref) -> bytes:
    """Redis is away: at least those who are connected to this process."""
    seen = (one.user for one in here.connections if not (one.is_invisible or one.is_closing))
    users = list({user.id: user for user in seen}.values())[: settings.PRESENCE_LIST_MAX]
    return frames.presence_state(users, len(users), here.roster.version, ref=ref)
