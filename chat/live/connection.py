"""One socket in one room, after it was let in: who it is, what it may do, how to send to it.

We `close` it, or its client goes; either way it comes to its `end`. Each part that holds a
connection adds its clean-up to `on_end`; all run then, with the connection as their argument.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import msgspec

from chat.live.outbox import Outbox, Overflow, Parcel
from chat.protocol import frames
from chat.protocol.commands import Command, Post, Ref
from chat.protocol.errors import Close, Refused
from chat.protocol.frames import RoomFields
from chat.protocol.persons import person_of
from chat.rooms.admission import Admission
from core import tasks
from core.accounts.identity import sign_of

logger = logging.getLogger(__name__)

_numbers = count(1)

SendClose = Callable[[Close], Awaitable[None]]


class Connection:
    """`send_close` sends the close frame with a code."""

    def __init__(
        self,
        admission: Admission,
        outbox: Outbox,
        send_close: SendClose,
        *,
        process_id: str,
        session: str | None,
    ) -> None:
        user, room = admission.user, admission.room
        self.user = person_of(user)
        self.room_id = room.pk
        self.room_fields = RoomFields.of(room, admission.moderators)
        self.name = f"{process_id}.{next(_numbers)}"
        self.session = session
        self.password = sign_of(user)
        self.is_invisible = user.is_invisible
        self.is_muted = "post" not in admission.can
        self.is_member = admission.is_member  # of an open room, not before something was said in it
        self.is_closing = False
        self.closing: asyncio.Task[None] | None = None  # sends our close frame
        self.on_end: list[Callable[[Connection], None]] = []
        self._you = {"role": admission.role, "guest": user.is_guest, "can": admission.can}
        self._outbox = outbox
        self._send_close = send_close

    # -- what it is sent ----------------------------------------------------------------------

    @property
    def is_plain(self) -> bool:
        """Whether its client knows no protocol."""
        return self._outbox.is_plain

    def push(self, parcel: Parcel) -> None:
        """Send it. A client that does not read what it is sent may come back with its cursor."""
        if not self.is_closing:
            try:
                self._outbox.push(parcel)
            except Overflow:
                self.close(Close.TOO_SLOW)

    def push_one(self, payload: bytes) -> None:
        self.push(Parcel([payload]))

    def send_history(
        self, states: Sequence[bytes], *, head: int, more: bool, mode: str, ref: Ref = None
    ) -> None:
        you = {**msgspec.to_builtins(self.user), **self._you}  # as they are called by now
        if self.is_invisible:
            you["invisible"] = True
        room = self.room_fields
        self.push_one(frames.history(room, you, states, head=head, more=more, mode=mode, ref=ref))

    def refuse(self, command: Command, refused: Refused) -> None:
        """Tell the sender why a command was not carried out."""
        client_id = command.client_id if isinstance(command, Post) else None
        self.push_one(frames.error(refused, ref=command.ref, client_id=client_id))

    # -- its end ------------------------------------------------------------------------------

    def close(self, code: Close, detail: str = "") -> None:
        """Close with `code`, once; nothing more is sent. `detail` is why the room has closed for
        this person, if it has. The `end` comes later: whoever walks through connections may close
        them meanwhile.
        """
        if detail:
            self.push_one(frames.closed(detail))
        if not self.is_closing:
            self.is_closing = True
            self.closing = tasks.spawn("closing a connection", self._close_with(code))

    def end(self) -> None:
        """The socket is gone: run each clean-up, the newest first, also where another one fails."""
        self.is_closing = True
        while self.on_end:
            try:
                self.on_end.pop()(self)
            except Exception:
                logger.exception("A part could not let go of a connection")

    async def _close_with(self, code: Close) -> None:
        if code == Close.TOO_SLOW:
            self._outbox.close()  # what it has not read by now, it reads when it is back
        else:
            await self._outbox.flushed()
        await self._send_close(code)
