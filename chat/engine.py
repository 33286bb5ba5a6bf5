"""What a process has one of: the writer, the hub, presence. Made when the first socket comes."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings

from chat import events
from chat.actions import Job, Outcome
from chat.commands import Command, Post, Read
from chat.connection import Connection
from chat.errors import Gone, Refused, Turned
from chat.events import Change, Person, Repeated
from chat.hub import Hub
from chat.last_seen import LastSeen
from chat.models import Room
from chat.online import Online
from chat.people import People
from chat.read_marks import ReadTo
from chat.rights import Ending, Rights
from chat.sitting import Sitting
from chat.writer import Writer
from core import installation, tasks
from core.rates import Buckets
from presence import clients
from presence.store import Store
from presence.tracker import Tracker

logger = logging.getLogger(__name__)

TYPING_EVERY = 3.0  # seconds; more often a person is not shown …
TYPISTS = 4  # … and not more people of a room: past three they are several
LEAVE_WITHIN = 6.0  # seconds for the writes that were accepted, when the process ends …
CLOSE_WITHIN = 2.0  # … then for the close frames …
GIVE_BACK_WITHIN = 0.5  # … and then for the leases
RETURN_WITHIN = 5.0  # seconds over which the clients of a leaving process spread their return

_engines: "WeakKeyDictionary[asyncio.AbstractEventLoop, Engine]" = WeakKeyDictionary()


class Engine:
    def __init__(self) -> None:
        self.hub = Hub()
        self.writer = Writer(self._written)
        self.people = People()
        self.online = Online(self.hub, self.people)
        self.online.tracker = Tracker(
            Store(clients.for_store(), installation.known),
            self.online.announce,
            lease=settings.PRESENCE_LEASE_SECONDS,
            renew=settings.PRESENCE_RENEW_SECONDS,
            grace=settings.PRESENCE_GRACE_SECONDS,
            heard=self.online.heard,
            keep=tasks.keep,
        )
        self.posts = Buckets(
            settings.CHAT_RATE_MESSAGES / settings.CHAT_RATE_SECONDS, settings.CHAT_RATE_BURST
        )
        # A person's, over all their connections: twenty tabs must not be twenty times as fast.
        self.frames = Buckets(settings.CHAT_FRAMES_PER_SECOND, 5 * settings.CHAT_FRAMES_PER_SECOND)
        # Of pages, and of who is there: each costs as much as many other frames.
        reads = settings.CHAT_FRAMES_PER_SECOND / 5
        self.reads = Buckets(reads, 5 * reads)
        self.typists = Buckets(1 / TYPING_EVERY, 1)
        self.typing_rooms = Buckets(TYPISTS / TYPING_EVERY, TYPISTS)
        self.connections: dict[int, set[Connection]] = {}
        self.leaving = False
        self.hub.handlers["user.read"] = self._on_read
        self.hub.handlers["user.typing"] = self._on_typing
        self.hub.handlers["user.changed"] = self._on_user
        self.hub.handlers["user.renamed"] = self._on_renamed
        self.hub.handlers["connection.end"] = self._on_end
        self.hub.handlers["room.update"] = self._on_update
        self.last_seen = LastSeen(self._seen)
        self.sitting = Sitting(self._unjoined)
        self.rights = Rights(
            lambda: (one for mine in self.connections.values() for one in mine),
            self._set_visibility,
        )

    @classmethod
    def current(cls) -> "Engine":
        """The one of this process (of this event loop, to be exact)."""
        loop = asyncio.get_running_loop()
        if loop not in _engines:
            _engines[loop] = cls()
        return _engines[loop]

    # -- connections --------------------------------------------------------------------------

    def admit(self, connection: Connection) -> None:
        """Count the connection. Raises Turned where its user has too many, or we are leaving."""
        if self.leaving:
            raise Turned(4410, "The server is restarting.")
        mine = self.connections.setdefault(connection.user.id, set())
        if len(mine) >= settings.CHAT_CONNECTIONS_MAX:
            raise Turned(
                4429,
                f"You have {settings.CHAT_CONNECTIONS_MAX} connections open. Close other tabs.",
            )
        mine.add(connection)
        self.last_seen.start()
        self.sitting.start()

    def dismiss(self, connection: Connection) -> None:
        mine = self.connections.get(connection.user.id, set())
        mine.discard(connection)
        if not mine:
            self.connections.pop(connection.user.id, None)
            self.last_seen.left(connection.user.id)

    def _seen(self) -> list[int]:
        """Who is here and not invisible: those would be asked for, and not written, each time."""
        return [
            user
            for user, mine in self.connections.items()
            if not all(one.is_invisible for one in mine)
        ]

    def _unjoined(self) -> set[int]:
        """The rooms in which somebody is no member: those that were vacant when they came."""
        everybody = (one for mine in self.connections.values() for one in mine)
        return {one.room_id for one in everybody if not one.is_member}

    # -- writing ------------------------------------------------------------------------------

    def submit(self, connection: Connection, command: Command) -> None:
        """Have `command` written; its outcome reaches the connection. Raises Refused."""
        # By writing, or by reading what was written; nothing else makes a membership.
        joins = not connection.is_member and isinstance(command, Post | Read)
        self.writer.submit(Job(connection.room.pk, connection.user.id, command, joins), connection)

    def _written(self, batch: Sequence[tuple[Job, Connection, Outcome]]) -> None:
        """The writer's callback: announce what was committed, once a room; answer the rest."""
        changes: dict[int, list[Change]] = {}
        answers: dict[int, dict[int, tuple[Connection, str | int]]] = {}
        for job, connection, outcome in batch:
            if isinstance(outcome, Change):
                changes.setdefault(job.room, []).append(outcome)
                if job.command.ref is not None:
                    answer = (connection, job.command.ref)
                    answers.setdefault(job.room, {})[outcome.pos] = answer
        for room, committed in changes.items():
            committed.sort(key=lambda change: change.pos)
            self.hub.publish(room, committed, answers.get(room))
        for job, connection, outcome in batch:
            if job.joins and _has_joined(outcome):
                self._joined(job.room, job.user)
            if isinstance(outcome, ReadTo):
                self._read_to(job, connection, outcome)
            elif isinstance(outcome, Refused):
                connection.refuse(job.command, outcome)
                if isinstance(outcome, Gone):
                    self.rights.came(connection)
            elif isinstance(outcome, Repeated) and connection.feed is not None:
                self.hub.answer(connection.feed, outcome.change, connection, job.command.ref)

    def _joined(self, room: int, user: int) -> None:
        """They are a member, on every connection that this process has of them there. The other
        processes find out when they check who may still be here."""
        for connection in self.connections.get(user, ()):
            connection.is_member |= connection.room_id == room

    def _read_to(self, job: Job, origin: Connection, outcome: ReadTo) -> None:
        """A read position is for the same person's other tabs, in every process."""
        origin.push_one(events.read(outcome.pos, job.command.ref))
        message = {"type": "user.read", "room": job.room, "user": job.user, "pos": outcome.pos}
        self._on_read(message, origin)
        self.hub.tell(job.room, message)

    def _on_read(self, message: dict[str, Any], origin: Connection | None = None) -> None:
        for connection in list(self.connections.get(message["user"], ())):
            if connection.room.pk == message["room"] and connection is not origin:
                connection.push_one(events.read(message["pos"]))

    # -- what pages and the admin tell all processes (chat/broadcast.py) ------------------------

    def _on_user(self, message: dict[str, Any]) -> None:
        """Look what a person wants and may now: of two changes the later may be told first."""
        for connection in self.connections.get(message["user"], ()):
            # Before the database is asked: a renewal meanwhile would show them again.
            if message.get("invisible"):
                self._set_visibility(connection, True)
            self.rights.came(connection)

    def _on_renamed(self, message: dict[str, Any]) -> None:
        person = Person(message["user"], message["name"])
        for connection in self.connections.get(person.id, ()):
            connection.user = person
        self.people.rename(person)

    def _set_visibility(self, connection: Connection, invisible: bool) -> None:
        if connection.feed is None:  # on its way in
            connection.is_invisible = invisible
        else:
            choice = self.online.set_visibility(connection.feed, connection, invisible)
            tasks.spawn("showing or hiding somebody", choice)

    def _on_end(self, message: dict[str, Any]) -> None:
        """End a person's connections: all, or those of one name, session or room."""
        of_it = {"connection": "name", "session": "session", "room": "room_id"}
        wanted = {
            attribute: message[key]
            for key, attribute in of_it.items()
            if message.get(key) is not None
        }
        for connection in list(self.connections.get(message["user"], ())):
            if all(getattr(connection, each) == value for each, value in wanted.items()):
                connection.turn_out(message["code"], message["detail"])

    def _on_update(self, message: dict[str, Any]) -> None:
        """A room's title, topic, address, kind or archive has changed."""
        pk, fields = message["fields"]["id"], events.encode(message["fields"])
        is_open = message["fields"]["kind"] == Room.Kind.OPEN
        everybody = [one for mine in self.connections.values() for one in mine]
        for connection in [one for one in everybody if one.room_id == pk]:
            if not is_open and not connection.is_member:
                connection.end_with(Ending.COME_BACK)  # before it learns more of the room
            connection.room_fields = fields
            connection.room.is_archived = message["fields"].get("archived", False)
        feed = self.hub.feeds.get(pk)
        if feed is not None:
            feed.send([events.updated(fields)], feed.connections)

    # -- typing -------------------------------------------------------------------------------

    def typing(self, connection: Connection) -> None:
        """Show that somebody types, if they may write: stored nowhere, and refused silently."""
        if connection.is_invisible or connection.is_muted or connection.room.is_archived:
            return
        user, room = connection.user, connection.room_id
        if self._show_typing(room, user):
            message = {"type": "user.typing", "room": room, "user": [user.id, user.name]}
            self.hub.tell(room, message)

    def _on_typing(self, message: dict[str, Any]) -> None:
        self._show_typing(message["room"], Person(*message["user"]))

    def _show_typing(self, room: int, user: Person) -> bool:
        """At most so often a person, over all their tabs on all processes, and so many a room:
        else it would grow with the square of a crowd."""
        if self.typists.take((user.id, room)) or self.typing_rooms.take(room):
            return False
        feed = self.hub.feeds.get(room)
        if feed is not None:
            others = {one for one in feed.connections if one.user.id != user.id}
            feed.send([events.typing(user)], others)
        return True

    # -- the end ------------------------------------------------------------------------------

    async def leave(self, return_within: float | None = None) -> None:
        """Refuse newcomers, tell everybody when to come back, finish the accepted writes."""
        self.leaving = True
        within = RETURN_WITHIN if return_within is None else return_within
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self.writer.drain()  # its senders see their messages confirmed
        except TimeoutError:
            logger.warning("Leaving with writes that the database did not take")
            self.writer.give_up()
        # Longer by the time over which they come back, for those too whose sockets close first.
        self.online.tracker.grace += within
        everybody = [one for mine in self.connections.values() for one in mine]
        for connection in everybody:
            connection.leave(retry_after=random.uniform(0.1, within))
        if everybody:
            closing = [tasks.spawn("closing a connection", one.closed()) for one in everybody]
            await asyncio.wait(closing, timeout=CLOSE_WITHIN)
        with suppress(TimeoutError):  # while Redis does not answer, the leases end by themselves
            async with asyncio.timeout(GIVE_BACK_WITHIN):
                await self.online.tracker.close(grace=self.online.tracker.grace)
        self.last_seen.close()
        self.sitting.close()
        await self.hub.close()


def _has_joined(outcome: Outcome) -> bool:
    """A membership is behind it: a position of somebody who is no member stays 0."""
    return isinstance(outcome, Change) or (isinstance(outcome, ReadTo) and outcome.pos > 0)
