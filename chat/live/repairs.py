"""What was lost on the way between processes is read from the database: holes are closed, and on a
timer the heads of all logs are compared with it."""

import asyncio
import logging
import time
from collections.abc import Mapping

from django.conf import settings
from django.db import Error as DatabaseError

from chat.live.feed import Feed
from chat.live.mailbox import FORGET, Mailbox
from chat.live.queries import query
from chat.live.single_flight import Flights
from chat.log import history
from core import tasks
from core.trouble import Trouble

logger = logging.getLogger(__name__)

HOLE_WAIT = 0.05  # seconds that a hole may stand: another process's event is usually on its way
COMPARE_AWAY = 1.0  # seconds between comparisons of heads with the database while Redis is away …
COMPARE_TURNS = 3  # … and so many times that else
REPAIRS = 3  # reads of a log that moves on meanwhile, before everybody begins again with a page


class Repairs:
    """`feeds` are the hub's, by room."""

    def __init__(self, feeds: Mapping[int, Feed], flights: Flights, mailbox: Mailbox) -> None:
        self._feeds = feeds
        self._flights = flights
        self._mailbox = mailbox
        self._comparing: tasks.Kept | None = None
        self._database = Trouble(logger, "Hub: the database does not tell what was missed")

    def start(self) -> None:
        if self._comparing is None:
            # What is promised rests on it alone; all else only makes it faster.
            self._comparing = tasks.keep("hub comparison", self._compare_for_ever, vital=True)

    def close(self) -> None:
        if self._comparing is not None:
            self._comparing.cancel()

    async def repair(self, feed: Feed) -> None:
        """Read what the feed has missed from the database, and deliver it."""
        await self._flights.once(("repair", feed.room), lambda: self._repair(feed))

    async def reach(self, feed: Feed, head: int) -> None:
        """See that the feed has delivered all up to `head`, if there is such a place: it was read
        from the database, or a client says that it holds it."""
        for _ in range(2):  # the first may share a read that had begun before
            if feed.head < head:
                await self.repair(feed)

    def mind(self, feed: Feed) -> None:
        """See that a hole in the feed is closed, and a doubt about it resolved."""
        if feed.opened and feed.has_hole:
            self._flights.soon(("hole", feed.room), lambda: self._close_hole(feed))
        if feed.is_doubtful:
            self._flights.soon(("doubt", feed.room), lambda: self._resolve_doubt(feed))

    async def compare(self) -> None:
        """Find, with one query, the rooms whose log has gone on without us, and catch up."""
        shown = {room: feed.head for room, feed in self._feeds.items() if feed.opened}
        if not shown:
            return
        heads = await query(history.heads)(list(shown))
        if not self._mailbox.redis_is_away:
            await asyncio.sleep(HOLE_WAIT)  # what is on its way is not missing
        for room, head in heads.items():
            feed = self._feeds.get(room)
            if feed is None or not feed.opened:
                continue
            if feed.head < head:
                await self.repair(feed)
            elif shown[room] > head:  # what was shown before this was read
                feed.is_doubtful = True
                self.mind(feed)

    async def _compare_for_ever(self) -> None:
        """The last event of a room may be lost with nothing after it to show the hole."""
        began, turn = time.monotonic(), 0
        while True:
            await asyncio.sleep(COMPARE_AWAY)
            turn += 1
            is_new = time.monotonic() - began < FORGET  # others may not have heard us yet
            if turn % COMPARE_TURNS and not is_new and not self._mailbox.redis_is_away:
                continue
            try:
                await self.compare()
                self._database.over()
            except DatabaseError as error:
                self._database.met(error)

    async def _repair(self, feed: Feed) -> None:
        limit = settings.CHAT_CATCH_UP_MAX
        for _ in range(REPAIRS):
            head, waiting = feed.head, feed.waiting
            missed = await query(history.since)(feed.room, head, limit=limit)
            if missed.complete:
                feed.fill(missed)
                feed.drop(pos for pos in waiting if pos > missed.head)
                return
            page = await newest(feed)
            feed.drop(pos for pos in waiting if pos > page.head)
            if feed.head == head:
                break
            # What was heard of in the meantime is not missing any more: it may be little now.
        # Too much to replay: everybody begins again with a fresh page.
        self._begin_again(feed, page)

    async def _close_hole(self, feed: Feed) -> None:
        while feed.has_hole and self._feeds.get(feed.room) is feed:
            await asyncio.sleep(HOLE_WAIT)
            if not feed.has_hole:  # what was missing came meanwhile, as it mostly does
                return
            try:
                await self.repair(feed)
            except DatabaseError as error:
                self._database.met(error)
                await asyncio.sleep(COMPARE_AWAY)

    async def _resolve_doubt(self, feed: Feed) -> None:
        """Show everybody the log as the database has it, if that is another one than was shown."""
        while feed.is_doubtful and self._feeds.get(feed.room) is feed:
            head, feed.is_doubtful = feed.head, False
            try:
                page = await newest(feed)
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
        self.mind(feed)
        if is_new:
            for connection in list(feed.connections):
                feed.send_page(connection, "reset")
            feed.settle()


async def newest(feed: Feed) -> history.Page:
    """The newest page, as the database has it."""
    return await query(history.page)(feed.room, limit=settings.CHAT_HISTORY_PAGE)
