"""One socket in one room, after it was let in: who it is, what it may do, how to send to it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from chat import events
from chat.access import Entry, as_fields
from chat.commands import Command, Post
from chat.errors import Refused
from chat.events import Person
from chat.feed import Feed, in_frames
from chat.outbox import Outbox, Overflow, Parcel
from chat.rights import Ending, sign_of
from core import tasks

_numbers = count(1)

Close = Callable[[int], Awaitable[None]]


class Connection:
    """`close` is the server's: it sends the close frame with a code."""

    def __init__(
        self,
        entry: Entry,
        outbox: Outbox,
        close: Close,
        *,
        process: str,
        session: str | None,
    ) -> None:
        user = entry.user
        self.user = Person(user.pk, user.name)
        self.is_invisible = user.is_invisible
        self.is_muted = "post" not in entry.can
        self.is_member = entry.is_member  # of an open room, not before something was said in it
        self.room = entry.room
        self.room_id = entry.room.pk
        self.session = session
        self.password = sign_of(user)
        self.feed: Feed | None = None
        self.name = f"{process}.{next(_numbers)}"
        self.is_closing = False
        self._outbox = outbox
        self._close = close
        self._ending: asyncio.Task[None] | None = None
        self.room_fields = events.encode(as_fields(entry.room))
        self._you = {
            "role": entry.role,
            "guest": user.is_guest,
            "can": entry.can,
        }

    # -- what it is sent ----------------------------------------------------------------------

    def push(self, parcel: Parcel) -> bool:
        """Send it; False where the outbox is full, and the connection must be closed."""
        if self.is_closing:
            return True
        try:
            self._outbox.push(parcel)
        except Overflow:
            return False
        return True

    def push_one(self, payload: bytes) -> None:
        if not self.push(Parcel([payload])):
            self.too_slow()

    def send_page(self, mode: str) -> None:
        """The newest page, from the feed; to a client that knows no protocol its messages one by
        one, and of a "reset" those that it was not shown before."""
        assert self.feed is not None
        if self._outbox.is_plain:
            after = self.feed.shown_seq if mode == "reset" else 0
            if not self.push(Parcel(self.feed.posts(after=after))):
                self.too_slow()
            return
        states, more = self.feed.page()
        self.send_history(states, head=self.feed.head, more=more, mode=mode)

    def send_missed(self, changes: list[events.Change]) -> None:
        """Net changes up to the feed's head, cut so that each frame leaves the cursor right."""
        assert self.feed is not None
        pieces = in_frames(changes)
        for piece in pieces:
            head = self.feed.head if piece is pieces[-1] else piece[-1].pos
            states = [change.state for change in piece]
            self.send_history(states, head=head, more=True, mode="since")

    def send_history(
        self, states: list[bytes], *, head: int, more: bool, mode: str, ref: Any = None
    ) -> None:
        self.push_one(
            events.history(
                room=self.room_fields,
                you=self._you_fields(),
                states=states,
                head=head,
                more=more,
                mode=mode,
                ref=ref,
            )
        )

    def _you_fields(self) -> bytes:
        who = {"id": self.user.id, "name": self.user.name}  # by now; it may have changed
        return events.encode(who | self._you | ({"invisible": True} if self.is_invisible else {}))

    def refuse(self, command: Command, refused: Refused) -> None:
        """Tell the sender why a command was not carried out."""
        client_id = command.client_id if isinstance(command, Post) else None
        self.push_one(events.error(refused, ref=command.ref, client_id=client_id))

    # -- its end ------------------------------------------------------------------------------

    def too_slow(self) -> None:
        """It does not read what it is sent: it may come back with its cursor."""
        self.end(4408)

    def leave(self, retry_after: float) -> None:
        """The server is leaving."""
        refused = Refused("unavailable", "The server is restarting.", round(retry_after, 1))
        self.push_one(events.error(refused))
        self.end(4410)

    def end_with(self, ending: Ending) -> None:
        self.turn_out(ending.code, ending.detail)

    def turn_out(self, code: int, detail: str) -> None:
        """Close with `code`; `detail` is why the room has closed for this person, if it has."""
        if detail:
            self.push_one(events.closed(detail))
        self.end(code)

    def end(self, code: int) -> None:
        """Close with `code`, once; nothing more is sent."""
        if self.is_closing:
            return
        self.is_closing = True
        if self.feed is not None:
            self.feed.connections.discard(self)
            if self.feed.audience is not None:
                self.feed.audience.leave(self)
        self._ending = tasks.spawn("ending a connection", self._end(code))

    async def closed(self) -> None:
        if self._ending is not None:
            await asyncio.wait([self._ending])

    async def _end(self, code: int) -> None:
        if code == 4408:
            self._outbox.close()  # what it has not read by now, it reads when it is back
        else:
            await self._outbox.flushed()
        await self._close(code)
