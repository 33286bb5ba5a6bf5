"""What is on its way to one connection: bounded in frames and bytes.

Objects that leave together are a Parcel. It is made once for all the connections that get it, and
prepares, once, the form that each kind of connection needs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

from django.conf import settings

from chat.protocol.plain import plain
from core import tasks

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Overflow(Exception):
    """The connection reads too slowly: its outbox is full."""


class Wire(Protocol):
    """The socket itself, where the server lets us write to it (see core/server.py)."""

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames, or keep what the socket does not take yet."""

    def waiting(self) -> int:
        """How many bytes are kept."""


class Parcel:
    """JSON objects (bytes) that leave together."""

    def __init__(self, objects: Sequence[bytes]) -> None:
        self.objects = objects

    def payloads(self, lines: bool) -> list[bytes]:
        """As WebSocket payloads: one or more objects each (`lines`), or one object each."""
        return self._lines if lines else list(self.objects)

    def frames(self, lines: bool) -> bytes:
        """As finished WebSocket frames; the server's are unmasked, so all readers get the same."""
        return self._line_frames if lines else self._single_frames

    def plain(self) -> "Parcel":
        """The same for a client that knows no protocol. Mostly that is this one: a room of people
        who only write costs nothing more."""
        return self if self._plain is None else self._plain

    @cached_property
    def _plain(self) -> "Parcel | None":  # not itself, which would keep it alive
        objects = [one for one in map(plain, self.objects) if one is not None]
        return None if objects == list(self.objects) else Parcel(objects)

    @cached_property
    def _lines(self) -> list[bytes]:
        return list(_gathered(self.objects, settings.CHAT_FRAME_OUT_MAX))

    @cached_property
    def _line_frames(self) -> bytes:
        return b"".join(_framed(payload) for payload in self._lines)

    @cached_property
    def _single_frames(self) -> bytes:
        return b"".join(_framed(payload) for payload in self.objects)


class Outbox:
    """Sends parcels to one connection. `lines`: the client takes many objects a frame. `is_plain`:
    it knows no protocol."""

    def __init__(
        self, send: Send, *, lines: bool, wire: Wire | None, is_plain: bool = False
    ) -> None:
        self.lines = lines
        self.is_plain = is_plain
        self._send = send
        self._wire = wire
        self._queue: deque[Parcel] = deque()
        self._bytes = 0
        self._sender: asyncio.Task[None] | None = None
        # Of what was written since the wire last was empty: where each parcel ends, and how many
        # frames it is. The last ones wait still.
        self._marks: deque[tuple[int, int]] = deque()
        self._written = 0
        self._unread = 0  # frames, of all marks

    def push(self, parcel: Parcel) -> None:
        """Send it, now or when the reader takes more. Raises Overflow over the bound."""
        if self.is_plain:
            parcel = parcel.plain()
            if not parcel.objects:
                return
        if self._wire is not None:
            self._write(self._wire, parcel.frames(self.lines), len(parcel.objects))
        else:
            self._enqueue(parcel)

    def push_one(self, payload: bytes) -> None:
        self.push(Parcel([payload]))

    async def flushed(self) -> None:
        """Wait until nothing is left to hand to the server."""
        if self._sender is not None:
            await asyncio.wait([self._sender])

    def close(self) -> None:
        self._queue.clear()
        if self._sender is not None:
            self._sender.cancel()

    def _write(self, wire: Wire, frames: bytes, count: int) -> None:
        if waiting := wire.waiting():
            self._mark(waiting, len(frames), count)
        elif self._marks:
            self._marks.clear()
            self._unread = 0
        wire.write(frames)

    def _mark(self, waiting: int, size: int, count: int) -> None:
        """Note a parcel that will wait. One always fits, however large: it found the wire empty."""
        # Whoever reads a little behind for hours is not slow: what has left does not count. It is
        # told from the end, since the server writes pings that we do not know of.
        while self._marks and self._written - self._marks[0][0] >= waiting:
            self._unread -= self._marks.popleft()[1]
        self._unread += count
        if (
            waiting + size > settings.CHAT_OUTBOX_BYTES
            or self._unread > settings.CHAT_OUTBOX_FRAMES
        ):
            raise Overflow
        self._written += size
        self._marks.append((self._written, count))

    def _enqueue(self, parcel: Parcel) -> None:
        self._queue.append(parcel)
        self._bytes += sum(map(len, parcel.objects))
        if self._sender is None:
            self._sender = tasks.spawn("sending to a connection", self._drain())
        elif len(self._queue) > 1 and (
            self._bytes > settings.CHAT_OUTBOX_BYTES
            or sum(len(parcel.objects) for parcel in self._queue) > settings.CHAT_OUTBOX_FRAMES
        ):
            raise Overflow

    async def _drain(self) -> None:
        """Send what waits; what gathers meanwhile leaves as one frame where the client takes it."""
        try:
            while self._queue:
                if self.lines and len(self._queue) > 1:
                    parcel = Parcel([one for queued in self._queue for one in queued.objects])
                    self._queue.clear()
                    self._bytes = 0
                else:
                    parcel = self._queue.popleft()
                    self._bytes -= sum(map(len, parcel.objects))
                for payload in parcel.payloads(self.lines):
                    await self._send({"type": "websocket.send", "text": payload.decode()})
        except Exception as error:  # the client was faster; its consumer hears of it as well
            logger.debug("A frame found its socket gone: %r", error)
            self._queue.clear()
        finally:
            self._sender = None


def _gathered(objects: Sequence[bytes], limit: int) -> Iterator[bytes]:
    """Objects joined by newlines into payloads of at most `limit` bytes, one object at least."""
    gathered: list[bytes] = []
    size = 0
    for one in objects:
        if gathered and size + len(one) + 1 > limit:
            yield b"\n".join(gathered)
            gathered, size = [], 0
        gathered.append(one)
        size += len(one) + 1
    if gathered:
        yield b"\n".join(gathered)


def _framed(payload: bytes) -> bytes:
    """One unmasked, final text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c" % size + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
