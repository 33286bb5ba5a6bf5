"""One socket in one room, after it was let in: who it is, what it may do, how to send to it.

Whoever keeps it adds to `on_end` what is to be done when it is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from chat.live.outbox import Outbox, Overflow, Parcel
from chat.protocol import frames
from chat.protocol.changes import Person, encode
from chat.protocol.commands import Command, Post
from chat.protocol.errors import Close, Ending, Refused
from chat.protocol.frames import RoomFields
from chat.rooms.admission import Admission
from core import tasks
from core.accounts.identity import sign_of

_numbers = count(1)

SendClose = Callable[[Close], Awaitable[None]]


class Connection:
    """`close` is the server's: it sends the close frame with a code."""

    def __init__(
        self,
        admission: Admission,
        outbox: Outbox,
        close: SendClose,
        *,
        process_id: str,
        session: str | None,
    ) -> None:
        user, room = admission.user, admission.room
        self.user = Person(user.pk, user.name)
        self.room_id = room.pk
        self.room_fields = RoomFields.of(room)
        self.name = f"{process_id}.{next(_numbers)}"
        self.session = session
        self.password = sign_of(user)
        self.is_invisible = user.is_invisible
        self.is_muted = "post" not in admission.can
        self.is_member = admission.is_member  # of an open room, not before something was said in it
        self.is_closing = False
        self.on_end: list[Callable[[], None]] = []
        self._you = {"role": admission.role, "guest": user.is_guest, "can": admission.can}
        self._outbox = outbox
        self._close = close
        self._closing: asyncio.Task[None] | None = None

    # -- what it is sent ----------------------------------------------------------------------

    @property
    def is_plain(self) -> bool:
        """Whether its client knows no protocol."""
        return self._outbox.is_plain

    def push(self, parcel: Parcel) -> bool:
        """Send it; False where the outbox is full, and the connection must be closed."""
        if self.is_closing:
            return True
        try:
            self._outbox.push(parcel)
        except Overflow:
            return False
        return True

    def push_all(self, objects: Sequence[bytes]) -> None:
        if not self.push(Parcel(objects)):
            self.too_slow()

    def push_one(self, payload: bytes) -> None:
        self.push_all([payload])

    def send_history(
        self,
        states: Sequence[bytes],
        *,
        head: int,
        more: bool,
        mode: str,
        ref: str | int | None = None,
    ) -> None:
        frame = frames.history(
            room=encode(self.room_fields),
            you=self._you_fields(),
            states=states,
            head=head,
            more=more,
            mode=mode,
            ref=ref,
        )
        self.push_one(frame)

    def _you_fields(self) -> bytes:
        who = {"id": self.user.id, "name": self.user.name}  # by now; it may have changed
        return encode(who | self._you | ({"invisible": True} if self.is_invisible else {}))

    def refuse(self, command: Command, refused: Refused) -> None:
        """Tell the sender why a command was not carried out."""
        client_id = command.client_id if isinstance(command, Post) else None
        self.push_one(frames.error(refused, ref=command.ref, client_id=client_id))

    # -- its end ------------------------------------------------------------------------------

    def too_slow(self) -> None:
        """It does not read what it is sent: it may come back with its cursor."""
        self.close(Close.TOO_SLOW)

    def leave(self, retry_after: float) -> None:
        """The server is leaving."""
        refused = Refused("unavailable", "The server is restarting.", round(retry_after, 1))
        self.push_one(frames.error(refused))
        self.close(Close.LEAVING)

    def end(self, ending: Ending) -> None:
        self.close(ending.code, ending.detail)

    def close(self, code: Close, detail: str = "") -> None:
        """Close with `code`, once; nothing more is sent. `detail` is why the room has closed for
        this person, if it has."""
        if detail:
            self.push_one(frames.closed(detail))
        if not self.is_closing:
            self.is_closing = True
            self._closing = tasks.spawn("closing a connection", self._send_close(code))

    async def closed(self) -> None:
        if self._closing is not None:
            await asyncio.wait([self._closing])

    def over(self) -> None:
        """The socket is gone: whoever keeps this connection lets it go."""
        self.is_closing = True
        while self.on_end:
            self.on_end.pop()()

    async def _send_close(self, code: Close) -> None:
        if code == Close.TOO_SLOW:
            self._outbox.close()  # what it has not read by now, it reads when it is back
        else:
            await self._outbox.flushed()
        await self._close(code)
