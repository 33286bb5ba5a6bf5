"""What a process has one of: the writer, the hub, presence. Made when the first socket comes."""

import asyncio
import logging
import random
from contextlib import suppress
from weakref import WeakKeyDictionary

from django.conf import settings

from chat.live.connection import Connection
from chat.live.connections import Connections
from chat.live.hub import Hub
from chat.live.notices import Notices
from chat.live.outcomes import Outcomes
from chat.live.revocations import Revocations
from chat.live.typing import Typing
from chat.log.write import Write
from chat.log.writer import Writer
from chat.online.here import Online
from chat.online.last_seen import LastSeen
from chat.online.names import Names
from chat.online.vacant_rooms import Occupancy
from chat.protocol import frames
from chat.protocol.commands import Command, Post, Read
from chat.protocol.errors import Close, Refused, Rejected
from core import tasks
from core.rates import Buckets
from core.redis import installation
from presence import clients
from presence.store import Store
from presence.tracker import Announce, Heard, Tracker

logger = logging.getLogger(__name__)

LEAVE_WITHIN = 6.0  # seconds for the writes that were accepted, when the process ends …
CLOSE_WITHIN = 2.0  # … then for the close frames …
GIVE_BACK_WITHIN = 0.5  # … and then for the leases
RETURN_WITHIN = 5.0  # seconds over which the clients of a leaving process spread their return
RESTARTING = "The server is restarting."

_processes: "WeakKeyDictionary[asyncio.AbstractEventLoop, Process]" = WeakKeyDictionary()


class Process:
    def __init__(self) -> None:
        self.connections = Connections()
        self.hub = Hub()
        self.online = Online(self.hub, self.connections, Names(self.hub.mailbox), _tracker)
        self.revocations = Revocations(self.connections, self.online.set_visibility)
        self.notices = Notices(self.hub, self.connections, self.revocations)
        self.outcomes = Outcomes(self.hub, self.connections, self.revocations)
        self.typing = Typing(self.hub)
        self.writer = Writer(self.outcomes.tell)
        self.last_seen = LastSeen(self.connections.seen_users)
        self.occupancy = Occupancy(self.connections.rooms_without_membership)
        self.post_rates = Buckets(
            settings.CHAT_RATE_MESSAGES / settings.CHAT_RATE_SECONDS, settings.CHAT_RATE_BURST
        )
        # As many at once: each keeps a text of before, for ever, and makes everybody look again.
        edits = settings.CHAT_RATE_EDITS
        self.edit_rates = Buckets(edits / settings.CHAT_RATE_SECONDS, edits)
        # A person's, over all their connections: twenty tabs must not be twenty times as fast.
        rate = settings.CHAT_FRAMES_PER_SECOND
        self.frame_rates = Buckets(rate, 5 * rate)
        # Of pages, and of who is there: each costs as much as many other frames.
        self.read_rates = Buckets(rate / 5, rate)
        self.leaving = False

    @classmethod
    def current(cls) -> "Process":
        """The one of this process (of this event loop, to be exact)."""
        loop = asyncio.get_running_loop()
        if loop not in _processes:
            _processes[loop] = cls()
        return _processes[loop]

    def admit(self, connection: Connection) -> None:
        """Count the connection. Raises Rejected where its user has too many, or we are leaving."""
        if self.leaving:
            raise Rejected(Close.LEAVING, RESTARTING)
        self.connections.add(connection)
        connection.on_end.append(self._left)
        self.last_seen.start()
        self.occupancy.start()

    def _left(self, connection: Connection) -> None:
        self.last_seen.left(connection.user.id)

    def submit(self, connection: Connection, command: Command) -> None:
        """Have `command` written; its outcome reaches the connection. Raises Refused."""
        # By writing, or by reading what was written; nothing else makes a membership.
        joins = not connection.is_member and isinstance(command, Post | Read)
        write = Write(connection.room_id, connection.user.id, command, joins)
        self.writer.submit(write, connection)

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
        tracker = self.online.tracker
        tracker.grace += within
        everybody = list(self.connections)
        for connection in everybody:
            retry_after = round(random.uniform(0.1, within), 1)
            connection.push_one(frames.error(Refused("unavailable", RESTARTING, retry_after)))
            connection.close(Close.LEAVING)
        if closing := [one.closing for one in everybody if one.closing]:
            await asyncio.wait(closing, timeout=CLOSE_WITHIN)
        with suppress(TimeoutError):  # while Redis does not answer, the leases end by themselves
            async with asyncio.timeout(GIVE_BACK_WITHIN):
                await tracker.close(grace=tracker.grace)
        self.last_seen.close()
        self.occupancy.close()
        self.hub.close()


def _tracker(announce: Announce, heard: Heard) -> Tracker:
    return Tracker(
        Store(clients.for_store(), installation.known),
        announce,
        lease=settings.PRESENCE_LEASE_SECONDS,
        renew=settings.PRESENCE_RENEW_SECONDS,
        grace=settings.PRESENCE_GRACE_SECONDS,
        heard=heard,
        keep=tasks.keep,
    )
