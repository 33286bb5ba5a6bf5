"""Fan-out in one process: a feed for each room that somebody follows.

The other processes' messages come through a mailbox, which only makes delivery fast. What is lost,
doubled or reordered on the way is put right by `pos`, and read from the database by `repairs`.
"""

import asyncio
from collections.abc import Callable, Sequence

from django.conf import settings

from chat.live import bus
from chat.live.connection import Connection
from chat.live.feed import Answers, Feed
from chat.live.mailbox import Mailbox
from chat.live.queries import query
from chat.live.repairs import Repairs, newest
from chat.live.single_flight import Flights
from chat.log import history
from chat.protocol.changes import Change
from chat.protocol.commands import Ref

LINGER = 3.0  # seconds that a feed nobody follows is kept
REACH_BACK = 2  # times CHAT_CATCH_UP_MAX changes, of which some are of the same message


class Hub:
    """`follow` and `join` are for connections, `publish` for what was committed here."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.feeds: dict[int, Feed] = {}
        self.flights = Flights()
        self.repairs = Repairs(self.feeds, self.flights, self.mailbox)
        # Told of a room that nobody follows any more.
        self.on_drop: list[Callable[[int], None]] = []
        self.mailbox.hear(bus.Changes, self._on_changes)

    # -- connections --------------------------------------------------------------------------

    async def follow(self, connection: Connection) -> Feed:
        """The feed of its room, open, and kept until the connection ends. However many come, it is
        opened once."""
        self.start()
        feed = self.feeds.setdefault(connection.room_id, Feed(connection.room_id))
        feed.coming.add(connection)
        connection.on_end.append(self._leave)
        if not feed.opened:
            await self.flights.once(("open", feed.room), lambda: self._open(feed))
        return feed

    def join(self, feed: Feed, connection: Connection) -> None:
        """From here on `connection` gets what the feed delivers. Read the feed, then join it,
        without an await between: then nothing is lost and nothing comes twice."""
        feed.connections.add(connection)
        feed.coming.discard(connection)

    async def catch_up(self, feed: Feed, cursor: int) -> list[Change] | None:
        """What changed after `cursor`, net, up to the feed's head; None: too much, give a page.

        One read of the database serves all who come back at once.
        """
        await self.repairs.reach(feed, cursor)
        # Net, twice as many changes may be few enough. Who was away for longer gets a page without
        # a read: each cursor would need one of its own, and most of them would find too much.
        farthest = max(0, feed.head - REACH_BACK * settings.CHAT_CATCH_UP_MAX)
        if farthest <= cursor < feed.floor:
            # A read that is under way began at an earlier head, and reaches back no less far.
            await self.flights.once(("since", feed), lambda: self._read_back(feed, farthest))
        changes = feed.since(cursor)
        if changes is None or cursor > feed.head or len(changes) > settings.CHAT_CATCH_UP_MAX:
            return None
        # All of it is sent at once; a slow line would be closed as too slow, and come back for it.
        if sum(len(change.state) for change in changes) > settings.CHAT_OUTBOX_BYTES // 2:
            return None
        return changes

    def answer(self, connection: Connection, change: Change, ref: Ref) -> None:
        """Show `change` to the connection that asked, as soon as all before it was delivered."""
        feed = self.feeds.get(connection.room_id)
        if feed is not None:
            feed.answer(change, connection, ref)
            self.repairs.mind(feed)

    # -- publishing ---------------------------------------------------------------------------

    def publish(self, room: int, changes: list[Change], answers: Answers | None = None) -> None:
        """Deliver what this process has committed: here at once, elsewhere soon."""
        self._offer(room, changes, answers)
        self.tell(room, bus.Changes(room, changes))

    def tell(self, room: int, message: bus.Message) -> None:
        """Send `message` to the other processes in which somebody follows the room."""
        self.mailbox.tell(_group(room), message)

    def _on_changes(self, message: bus.Changes) -> None:
        self._offer(message.room, message.changes)

    def _offer(self, room: int, changes: Sequence[Change], answers: Answers | None = None) -> None:
        feed = self.feeds.get(room)
        if feed is not None:
            feed.offer(changes, answers)
            self.repairs.mind(feed)

    # -- feeds --------------------------------------------------------------------------------

    async def _open(self, feed: Feed) -> None:
        # First join the group, then read: what commits in between arrives twice, not never.
        await self.mailbox.join(_group(feed.room))
        feed.open(await newest(feed))
        self.repairs.mind(feed)

    def _leave(self, connection: Connection) -> None:
        feed = self.feeds[connection.room_id]
        feed.connections.discard(connection)
        feed.coming.discard(connection)
        if not feed.is_followed:
            asyncio.get_running_loop().call_later(LINGER, self._drop_if_empty, feed)

    def _drop_if_empty(self, feed: Feed) -> None:
        # One that could not be opened has joined no group, and may go too.
        if feed.is_followed or self.feeds.get(feed.room) is not feed:
            return
        if ("open", feed.room) in self.flights:
            asyncio.get_running_loop().call_later(LINGER, self._drop_if_empty, feed)
            return
        del self.feeds[feed.room]
        for told in self.on_drop:
            told(feed.room)
        self.flights.soon(("leave", feed.room), lambda: self._unsubscribe(feed))

    async def _unsubscribe(self, feed: Feed) -> None:
        if feed.room not in self.feeds:  # else somebody came back meanwhile, into a new feed
            await self.mailbox.leave(_group(feed.room))

    async def _read_back(self, feed: Feed, cursor: int) -> None:
        # Some more than are asked for: the head moves on.
        limit = settings.CHAT_CATCH_UP_MAX * (REACH_BACK + 1)
        feed.remember(await query(history.since)(feed.room, cursor, limit=limit), cursor)

    # -- the process --------------------------------------------------------------------------

    def start(self) -> None:
        self.mailbox.start()
        self.repairs.start()

    def close(self) -> None:
        self.mailbox.close()
        self.repairs.close()
        self.flights.cancel()


def _group(room: int) -> str:
    """On the channel layer, of the processes in which somebody follows the room."""
    return f"room.{room}"
