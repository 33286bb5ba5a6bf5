"""Fan-out in one process: one channel-layer mailbox, and a feed for each room somebody follows.

The channel layer only makes delivery fast. What it drops, doubles or reorders is put right by `pos`
and, in the end, by comparing heads with the database on a timer.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseError

from chat import history
from chat.events import Change
from chat.feed import Feed
from chat.reading import reading

if TYPE_CHECKING:
    from chat.connection import Connection

logger = logging.getLogger(__name__)

HOLD = 0.05  # seconds that a hole may stand: another process's event is usually on its way
COMPARE_AWAY = 1.0  # seconds between comparisons of heads with the database while Redis is away …
COMPARE_TURNS = 3  # … and so many times that else
LINGER = 3.0  # seconds that a feed nobody follows is kept
PULSE = 1.0  # seconds between messages to ourselves …
PULSE_LATE = 2.5  # … without which, for so long, Redis counts as away
FORGET = 10.0  # seconds of silence, after which another process counts as gone
HUBS = "hubs"  # the group of all processes
OUTGOING_MAX = 1_000  # messages to one group that wait for Redis
REACH_BACK = 2  # times CHAT_CATCH_UP_MAX changes, of which some are of the same message
REPAIRS = 3  # reads of a log that moves on meanwhile, before everybody begins again with a page
LAYER_TIMEOUT = 3.0  # seconds for one call to the channel layer

T = TypeVar("T")
Handler = Callable[[dict[str, Any]], None]
Answers = Mapping[int, tuple["Connection", str | int]]


class Hub:
    """`follow`, `join` and `leave` are for connections, `publish` for what was committed here."""

    def __init__(self) -> None:
        self.process = uuid4().hex
        self.feeds: dict[int, Feed] = {}
        self.handlers: dict[str, Handler] = {
            "room.changes": self._on_changes,
            "hub.pulse": self._on_pulse,
        }
        self._layer = get_channel_layer()
        self._mailbox = ""
        self._tried = asyncio.Event()  # to get the mailbox, with success or without
        self._flights: dict[Hashable, asyncio.Task[Any]] = {}
        self._outgoing: dict[str, list[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._pulses: dict[str, float] = {self.process: time.monotonic()}
        self._publish_fails = False
        self._listens_from = math.inf  # when we began to hear others

    # -- connections --------------------------------------------------------------------------

    async def follow(self, room: int, connection: "Connection") -> Feed:
        """The room's feed, open, and kept until `leave`. However many come, it is opened once."""
        if not self._tasks:
            self._start()
        feed = self.feeds.setdefault(room, Feed(room))
        feed.coming.add(connection)
        try:
            if not feed.opened:
                await self.once(("open", room), lambda: self._open(feed))
        except BaseException:
            self.leave(feed, connection)
            raise
        return feed

    def join(self, feed: Feed, connection: "Connection") -> None:
        """From here on `connection` gets what the feed delivers. Read the feed, then join it,
        without an await between: then nothing is lost and nothing comes twice."""
        feed.connections.add(connection)
        feed.coming.discard(connection)

    def leave(self, feed: Feed, connection: "Connection") -> None:
        feed.connections.discard(connection)
        feed.coming.discard(connection)
        if not feed.is_followed:
            asyncio.get_running_loop().call_later(LINGER, self._drop_if_empty, feed)

    async def catch_up(self, feed: Feed, cursor: int) -> list[Change] | None:
        """What changed after `cursor`, net, up to the feed's head; None: too much, give a page.

        One read of the database serves all who come back at once.
        """
        await self.reach(feed, cursor)
        # Net, twice as many changes may be few enough. Who was away for longer gets a page without
        # a read: each cursor would need one of its own, and most of them would find too much.
        farthest = max(0, feed.head - REACH_BACK * settings.CHAT_CATCH_UP_MAX)
        if farthest <= cursor < feed.floor:
            await self._reach_back(feed, farthest)
        changes = feed.since(cursor)
        if changes is None or cursor > feed.head or len(changes) > settings.CHAT_CATCH_UP_MAX:
            return None
        # All of it is sent at once; a slow line would be closed as too slow, and come back for it.
        if sum(len(change.state) for change in changes) > settings.CHAT_OUTBOX_BYTES // 2:
            return None
        return changes

    async def repair(self, feed: Feed) -> None:
        """Read what the feed has missed from the database, and deliver it."""
        await self.once(("repair", feed.room), lambda: self._repair(feed))

    async def reach(self, feed: Feed, head: int) -> None:
        """See that the feed has delivered all up to `head`, if there is such a place: it was read
        from the database, or a client says that it holds it."""
        for _ in range(2):  # the first may share a read that had begun before
            if feed.head < head:
                await self.repair(feed)

    def answer(
        self, feed: Feed, change: Change, connection: "Connection", ref: str | int | None
    ) -> None:
        """Show `change` to the connection that asked, as soon as all before it was delivered."""
        feed.answer(change, connection, ref)
        self._mind_hole(feed)

    # -- publishing ---------------------------------------------------------------------------

    def publish(self, room: int, changes: Sequence[Change], answers: Answers | None = None) -> None:
        """Deliver what this process has committed: here at once, elsewhere soon."""
        feed = self.feeds.get(room)
        if feed is not None:
            feed.offer(changes, answers)
            self._mind_hole(feed)
        self.tell(f"room.{room}", {"type": "room.changes", "room": room, "changes": changes})

    def tell(self, group: str, message: dict[str, Any]) -> None:
        """Send `message` to the other processes in `group`; nobody waits for it."""
        if self.is_alone:
            return
        waiting = self._outgoing.setdefault(group, [])
        if len(waiting) < OUTGOING_MAX:  # Redis hangs; what is dropped is found by comparing heads
            waiting.append(message)
        self.once("publish", self._publish)

    # -- the mailbox --------------------------------------------------------------------------

    def _on_changes(self, message: dict[str, Any]) -> None:
        feed = self.feeds.get(message["room"])
        if feed is not None:
            feed.offer([Change(*fields) for fields in message["changes"]])
            self._mind_hole(feed)

    def _on_pulse(self, message: dict[str, Any]) -> None:
        self._pulses[message["process"]] = time.monotonic()

    @property
    def redis_is_away(self) -> bool:
        return time.monotonic() - self._pulses[self.process] > PULSE_LATE

    @property
    def is_alone(self) -> bool:
        """No other process has been heard for a while: there is nobody to tell.

        A new process makes itself heard before it reads a room. What is committed in the moment
        until we hear it, it finds by comparing heads, which it does more often at first. As long
        as we are new ourselves the others may be there without our having heard them.
        """
        return len(self._pulses) == 1 and time.monotonic() > self._listens_from + PULSE_LATE

    async def _receive_for_ever(self) -> None:
        mailbox = ""
        while True:
            try:
                async with asyncio.timeout(LAYER_TIMEOUT):
                    mailbox = mailbox or await self._layer.new_channel("hub.")
                    await self._layer.group_add(HUBS, mailbox)
                self._mailbox = mailbox
                self._listens_from = time.monotonic()
                await self._pulse()
                self._tried.set()
                break
            except Exception as error:
                logger.warning("Hub: no mailbox yet, Redis does not answer: %r", error)
                self._tried.set()
                await asyncio.sleep(PULSE)
        while True:
            try:
                bundle = await self._layer.receive(self._mailbox)
                if bundle["from"] == self.process and bundle["type"] != "hub.pulses":
                    continue  # our own; delivered when it was published
                messages = bundle["messages"]
            except asyncio.CancelledError:
                raise
            except Exception:
                # One bad message must not make the process deaf.
                logger.exception("Hub: a bundle could not be read")
                continue
            for message in messages:
                self._handle(message)

    def _handle(self, message: dict[str, Any]) -> None:
        """Alone: another version of this chat, as during a deploy, may say what we do not know."""
        try:
            self.handlers[message["type"]](message)
        except Exception:
            logger.exception("Hub: a message could not be handled")

    async def _publish(self) -> None:
        """What gathers while one round of sends runs leaves as one message a group."""
        while self._outgoing:
            outgoing, self._outgoing = self._outgoing, {}
            for group, messages in outgoing.items():
                bundle = {"type": "hub.bundle", "from": self.process, "messages": messages}
                await self._send(self._layer.group_send, group, bundle)

    async def _send(self, send: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        try:
            async with asyncio.timeout(LAYER_TIMEOUT):
                await send(*args)
            self._publish_fails = False
        except Exception as error:
            # The others find what they missed by comparing heads.
            if not self._publish_fails:
                logger.warning("Hub: Redis does not take messages: %r", error)
            self._publish_fails = True

    # -- feeds --------------------------------------------------------------------------------

    async def _open(self, feed: Feed) -> None:
        # First join the group, then read: what commits in between arrives twice, not never.
        await self._subscribe(feed)
        await self._reload(feed)

    async def _reload(self, feed: Feed) -> None:
        feed.open(await self._newest(feed))
        self._mind_hole(feed)

    async def _newest(self, feed: Feed) -> history.Page:
        return await reading(history.page)(feed.room, limit=settings.CHAT_HISTORY_PAGE)

    async def _subscribe(self, feed: Feed) -> None:
        await self._tried.wait()
        if not self._mailbox:
            return  # the timer will
        try:
            async with asyncio.timeout(LAYER_TIMEOUT):
                await self._layer.group_add(f"room.{feed.room}", self._mailbox)
            feed.subscribed = True
        except Exception as error:
            logger.warning("Hub: could not join room %s's group yet: %r", feed.room, error)

    def _drop_if_empty(self, feed: Feed) -> None:
        # One that could not be opened has joined no group, and may go too.
        if feed.is_followed or self.feeds.get(feed.room) is not feed:
            return
        if ("open", feed.room) in self._flights:
            asyncio.get_running_loop().call_later(LINGER, self._drop_if_empty, feed)
            return
        del self.feeds[feed.room]
        self.once(("leave", feed.room), lambda: self._unsubscribe(feed))

    async def _unsubscribe(self, feed: Feed) -> None:
        if feed.subscribed:
            await self._send(self._layer.group_discard, f"room.{feed.room}", self._mailbox)
        again = self.feeds.get(feed.room)
        if again is not None:  # somebody came back meanwhile, into a new feed
            await self._subscribe(again)

    async def _reach_back(self, feed: Feed, cursor: int) -> None:
        # A read that is under way began at an earlier head, and reaches back no less far.
        await self.once(("since", feed.room), lambda: self._read_back(feed, cursor))

    async def _read_back(self, feed: Feed, cursor: int) -> None:
        # Some more than are asked for: the head moves on.
        limit = settings.CHAT_CATCH_UP_MAX * (REACH_BACK + 1)
        feed.remember(await reading(history.since)(feed.room, cursor, limit=limit), cursor)

    def _mind_hole(self, feed: Feed) -> None:
        if feed.opened and feed.has_hole:
            self.once(("hole", feed.room), lambda: self._close_hole(feed))

    async def _close_hole(self, feed: Feed) -> None:
        while feed.has_hole and self.feeds.get(feed.room) is feed:
            await asyncio.sleep(HOLD)
            if not feed.has_hole:  # what was missing came meanwhile, as it mostly does
                return
            try:
                await self.repair(feed)
            except DatabaseError as error:
                logger.warning("Hub: could not read what room %s missed: %s", feed.room, error)
                await asyncio.sleep(COMPARE_AWAY)

    async def _repair(self, feed: Feed) -> None:
        limit = settings.CHAT_CATCH_UP_MAX
        for _ in range(REPAIRS):
            head = feed.head
            missed = await reading(history.since)(feed.room, head, limit=limit)
            if missed.complete:
                feed.fill(missed)
                return
            page = await self._newest(feed)
            if feed.head == head:
                break
            # What was heard of in the meantime is not missing any more: it may be little now.
        # Too much to replay: everybody begins again with a fresh page.
        is_new = feed.open(page)
        self._mind_hole(feed)
        if is_new:
            for connection in list(feed.connections):
                connection.send_page("reset")
            feed.settle()

    # -- timers -------------------------------------------------------------------------------

    def _start(self) -> None:
        self._tasks = [
            asyncio.create_task(work())
            for work in (self._receive_for_ever, self._pulse_for_ever, self._compare_for_ever)
        ]

    async def _pulse_for_ever(self) -> None:
        """Redis is there if a message to ourselves comes back; nothing else tells it as surely."""
        while True:
            if self._mailbox:
                await self._pulse()
                for feed in [feed for feed in self.feeds.values() if not feed.subscribed]:
                    await self._subscribe(feed)
            await asyncio.sleep(PULSE)

    async def _pulse(self) -> None:
        messages = [{"type": "hub.pulse", "process": self.process}]
        pulse = {"type": "hub.pulses", "from": self.process, "messages": messages}
        await self._send(self._layer.group_send, HUBS, pulse)
        if self.redis_is_away:  # nobody can be heard
            return
        silent = time.monotonic() - FORGET
        for process in [one for one, heard in self._pulses.items() if heard < silent]:
            if process != self.process:
                del self._pulses[process]

    async def _compare_for_ever(self) -> None:
        """The last event of a room may be lost with nothing after it to show the hole."""
        began, turn = time.monotonic(), 0
        while True:
            await asyncio.sleep(COMPARE_AWAY)
            turn += 1
            is_new = time.monotonic() - began < FORGET  # others may not have heard us yet
            if turn % COMPARE_TURNS and not is_new and not self.redis_is_away:
                continue
            try:
                await self.compare()
            except DatabaseError as error:
                logger.warning("Hub: could not compare heads: %s", error)
            except Exception:
                logger.exception("Hub: comparing heads failed")

    async def compare(self) -> None:
        """Find, with one query, the rooms whose log has gone on without us, and catch up."""
        rooms = [room for room, feed in self.feeds.items() if feed.opened]
        if not rooms:
            return
        heads = await reading(history.heads)(rooms)
        if not self.redis_is_away:
            await asyncio.sleep(HOLD)  # what is on its way is not missing
        for room, head in heads.items():
            feed = self.feeds.get(room)
            if feed is not None and feed.opened and feed.head < head:
                await self.repair(feed)

    async def close(self) -> None:
        for task in [*self._tasks, *self._flights.values()]:
            task.cancel()
        self._tasks = []

    def once(self, key: Hashable, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Single flight: whoever asks for `key` while it is under way shares one run of `work`."""
        task = self._flights.get(key)
        # One that is done may still be in the list, for a moment: it did not see what comes now.
        if task is None or task.done():
            task = self._flights[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._landed(key, done))
        return asyncio.shield(task)

    def _landed(self, key: Hashable, task: "asyncio.Future[Any]") -> None:
        if self._flights.get(key) is task:
            del self._flights[key]
