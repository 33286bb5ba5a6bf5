"""Fan-out in one process: a feed for each room that somebody follows.

The other processes' messages come through a mailbox, which only makes delivery fast. What is lost,
doubled or reordered on the way is put right by `pos` and, in the end, by comparing heads with the
database on a timer.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import Error as DatabaseError

from chat import history
from chat.events import Change
from chat.feed import Feed
from chat.mailbox import FORGET, Mailbox
from chat.reading import reading
from core import tasks
from core.trouble import Trouble

if TYPE_CHECKING:
    from chat.connection import Connection

logger = logging.getLogger(__name__)

HOLD = 0.05  # seconds that a hole may stand: another process's event is usually on its way
COMPARE_AWAY = 1.0  # seconds between comparisons of heads with the database while Redis is away …
COMPARE_TURNS = 3  # … and so many times that else
LINGER = 3.0  # seconds that a feed nobody follows is kept
REACH_BACK = 2  # times CHAT_CATCH_UP_MAX changes, of which some are of the same message
REPAIRS = 3  # reads of a log that moves on meanwhile, before everybody begins again with a page

Answers = Mapping[int, tuple["Connection", str | int]]


class Hub:
    """`follow`, `join` and `leave` are for connections, `publish` for what was committed here."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.process = self.mailbox.process
        self.handlers = self.mailbox.handlers
        self.handlers["room.changes"] = self._on_changes
        self.feeds: dict[int, Feed] = {}
        self._flights: dict[Hashable, asyncio.Task[Any]] = {}
        self._comparing: tasks.Kept | None = None
        self._database = Trouble(logger, "Hub: the database does not tell what was missed")

    # -- connections --------------------------------------------------------------------------

    async def follow(self, room: int, connection: "Connection") -> Feed:
        """The room's feed, open, and kept until `leave`. However many come, it is opened once."""
        self.start()
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
        message = {"type": "room.changes", "room": room, "changes": changes}
        self.mailbox.tell(_group(room), message)

    def tell(self, room: int, message: dict[str, Any]) -> None:
        """Send `message` to the other processes in which somebody follows the room."""
        self.mailbox.tell(_group(room), message)

    def _on_changes(self, message: dict[str, Any]) -> None:
        feed = self.feeds.get(message["room"])
        if feed is not None:
            feed.offer([Change(*fields) for fields in message["changes"]])
            self._mind_hole(feed)

    # -- feeds --------------------------------------------------------------------------------

    async def _open(self, feed: Feed) -> None:
        # First join the group, then read: what commits in between arrives twice, not never.
        await self.mailbox.join(_group(feed.room))
        await self._reload(feed)

    async def _reload(self, feed: Feed) -> None:
        feed.open(await self._newest(feed))
        self._mind_hole(feed)

    async def _newest(self, feed: Feed) -> history.Page:
        return await reading(history.page)(feed.room, limit=settings.CHAT_HISTORY_PAGE)

    def _drop_if_empty(self, feed: Feed) -> None:
        # One that could not be opened has joined no group, and may go too.
        if feed.is_followed or self.feeds.get(feed.room) is not feed:
            return
        if ("open", feed.room) in self._flights:
            asyncio.get_running_loop().call_later(LINGER, self._drop_if_empty, feed)
            return
        del self.feeds[feed.room]
        self.soon(("leave", feed.room), lambda: self._unsubscribe(feed))

    async def _unsubscribe(self, feed: Feed) -> None:
        if feed.room not in self.feeds:  # else somebody came back meanwhile, into a new feed
            await self.mailbox.leave(_group(feed.room))

    async def _reach_back(self, feed: Feed, cursor: int) -> None:
        # A read that is under way began at an earlier head, and reaches back no less far.
        await self.once(("since", feed.room), lambda: self._read_back(feed, cursor))

    async def _read_back(self, feed: Feed, cursor: int) -> None:
        # Some more than are asked for: the head moves on.
        limit = settings.CHAT_CATCH_UP_MAX * (REACH_BACK + 1)
        feed.remember(await reading(history.since)(feed.room, cursor, limit=limit), cursor)

    def _mind_hole(self, feed: Feed) -> None:
        if feed.opened and feed.has_hole:
            self.soon(("hole", feed.room), lambda: self._close_hole(feed))
        if feed.is_doubtful:
            self.soon(("doubt", feed.room), lambda: self._resolve_doubt(feed))

    async def _resolve_doubt(self, feed: Feed) -> None:
        """Show everybody the log as the database has it, if that is another one than was shown."""
        while feed.is_doubtful and self.feeds.get(feed.room) is feed:
            head, feed.is_doubtful = feed.head, False
            try:
                page = await self._newest(feed)
            except DatabaseError as error:
                feed.is_doubtful = True
                self._database.met(error)
                await asyncio.sleep(COMPARE_AWAY)
                continue
            if not feed.agrees_with(page, head):
                logger.warning("Room %d: the database has another log than was shown.", feed.room)
                self._begin_again(feed, page, anew=True)

    def _begin_again(self, feed: Feed, page: history.Page, *, anew: bool = False) -> None:
        """Show everybody a fresh page, where that is news."""
        is_new = feed.open(page, anew=anew)
        self._mind_hole(feed)
        if is_new:
            for connection in list(feed.connections):
                connection.send_page("reset")
            feed.settle()

    async def _close_hole(self, feed: Feed) -> None:
        while feed.has_hole and self.feeds.get(feed.room) is feed:
            await asyncio.sleep(HOLD)
            if not feed.has_hole:  # what was missing came meanwhile, as it mostly does
                return
            try:
                await self.repair(feed)
            except DatabaseError as error:
                self._database.met(error)
                await asyncio.sleep(COMPARE_AWAY)

    async def _repair(self, feed: Feed) -> None:
        limit = settings.CHAT_CATCH_UP_MAX
        for _ in range(REPAIRS):
            head, waiting = feed.head, feed.waiting
            missed = await reading(history.since)(feed.room, head, limit=limit)
            if missed.complete:
                feed.fill(missed)
                feed.drop(pos for pos in waiting if pos > missed.head)
                return
            page = await self._newest(feed)
            feed.drop(pos for pos in waiting if pos > page.head)
            if feed.head == head:
                break
            # What was heard of in the meantime is not missing any more: it may be little now.
        # Too much to replay: everybody begins again with a fresh page.
        self._begin_again(feed, page)

    # -- timers -------------------------------------------------------------------------------

    def start(self) -> None:
        self.mailbox.start()
        if self._comparing is None:
            # What is promised rests on it alone; all else only makes it faster.
            self._comparing = tasks.keep("hub comparison", self._compare_for_ever, vital=True)

    async def _compare_for_ever(self) -> None:
        """The last event of a room may be lost with nothing after it to show the hole."""
        began, turn = time.monotonic(), 0
        while True:
            await asyncio.sleep(COMPARE_AWAY)
            turn += 1
            is_new = time.monotonic() - began < FORGET  # others may not have heard us yet
            if turn % COMPARE_TURNS and not is_new and not self.mailbox.redis_is_away:
                continue
            try:
                await self.compare()
                self._database.over()
            except DatabaseError as error:
                self._database.met(error)

    async def compare(self) -> None:
        """Find, with one query, the rooms whose log has gone on without us, and catch up."""
        shown = {room: feed.head for room, feed in self.feeds.items() if feed.opened}
        if not shown:
            return
        heads = await reading(history.heads)(list(shown))
        if not self.mailbox.redis_is_away:
            await asyncio.sleep(HOLD)  # what is on its way is not missing
        for room, head in heads.items():
            feed = self.feeds.get(room)
            if feed is None or not feed.opened:
                continue
            if feed.head < head:
                await self.repair(feed)
            elif shown[room] > head:  # what was shown before this was read
                feed.is_doubtful = True
                self._mind_hole(feed)

    async def close(self) -> None:
        self.mailbox.close()
        if self._comparing is not None:
            self._comparing.cancel()
        for flight in self._flights.values():
            flight.cancel()

    def once(self, key: Hashable, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Single flight: whoever asks for `key` while it is under way shares one run of `work`."""
        task = self._flights.get(key)
        # One that is done may still be in the list, for a moment: it did not see what comes now.
        if task is None or task.done():
            task = self._flights[key] = asyncio.get_running_loop().create_task(work())
            task.add_done_callback(lambda done: self._landed(key, done))
        return asyncio.shield(task)

    def soon(self, key: Hashable, work: Callable[[], Any]) -> None:
        """`once`, for what nobody waits for: what it raises is logged."""
        self.once(key, work).add_done_callback(lambda done: tasks.log_failure(done, f"Hub: {key}"))

    def _landed(self, key: Hashable, task: "asyncio.Future[Any]") -> None:
        if self._flights.get(key) is task:
            del self._flights[key]


def _group(room: int) -> str:
    """On the channel layer, of the processes in which somebody follows the room."""
    return f"room.{room}"
