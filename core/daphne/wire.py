"""Daphne, with a short way to the socket for frames that many connections share.

Through ASGI each `send` builds its own WebSocket frame and puts the socket into the selector and
out again. Frames from a server are unmasked, so a room's frame is the same bytes for everybody:
`scope["extensions"]["chat.wire"]` takes those bytes as they are, and tells how much the reader has
not taken yet, which ASGI under Daphne has no way to say.
"""

import asyncio
import logging
from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol
from daphne import server as daphne
from twisted.internet.tcp import Connection

from core.daphne import inside
from core.daphne.flood import BoundedFactory
from core.daphne.intake import Intake
from core.daphne.requests import BoundedHTTPFactory

UNREAD_FRAMES = 100  # that wait for one socket's application …
UNREAD_BYTES = 1_048_576  # … and how large they may be together

logger = logging.getLogger(__name__)


class Wire:
    """One socket, for finished WebSocket frames."""

    __slots__ = ("_protocol", "_transport")

    def __init__(self, protocol: WebSocketProtocol, transport: Connection) -> None:
        self._protocol = protocol
        self._transport = transport

    def waiting(self) -> int:
        """Bytes that the socket has not taken yet. `unsent`, without a call for each delivery."""
        transport = self._transport
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen

    def write(self, frames: bytes) -> None:
        transport = self._transport
        if self._protocol.state != WebSocketProtocol.STATE_OPEN:
            return  # closing; the client comes back with its cursor
        if self.waiting():
            transport.write(frames)
            return
        sent = transport.writeSomeData(frames)
        if isinstance(sent, BaseException):  # lost; the transport finds out and says so
            transport.write(frames)
        elif sent < len(frames):
            transport.write(frames[sent:])


def hold_up(queue: "asyncio.Queue[Any]", intake: Intake) -> None:
    """Read no more from the socket while its application is behind by so much: TCP then holds up
    the sender. Daphne would keep whatever comes, megabytes a second while a database hangs."""
    put, get = queue._put, queue._get
    waiting = 0

    def bounded_put(item: Any) -> None:
        nonlocal waiting
        put(item)
        waiting += _size(item)
        if queue.qsize() > UNREAD_FRAMES or waiting > UNREAD_BYTES:
            intake.hold("application")

    def bounded_get() -> Any:
        nonlocal waiting
        message = get()
        is_behind = queue.qsize() >= UNREAD_FRAMES or waiting > UNREAD_BYTES
        waiting -= _size(message)
        if is_behind and queue.qsize() <= UNREAD_FRAMES and waiting <= UNREAD_BYTES:
            intake.let_go("application")
        return message

    queue._put, queue._get = bounded_put, bounded_get  # type: ignore[method-assign]


def _size(message: dict[str, Any]) -> int:
    return len(message.get("text") or message.get("bytes") or "")


class WiredServer(daphne.Server):
    """With our bounds and our way to the socket, as far as the packages have what it takes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_bounded = not _lacks(inside.BOUNDS, "clients are bounded only as by Daphne")
        self.has_wire = not _lacks(inside.WIRE, "sockets are written to the slow way")
        if self.is_bounded:
            daphne.WebSocketFactory = BoundedFactory
            daphne.HTTPFactory = BoundedHTTPFactory

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] != "websocket":
            return super().create_application(protocol, scope)
        # Plain TCP only; behind TLS of its own Daphne's frames take the ordinary way.
        if self.has_wire and isinstance(protocol.transport, Connection):
            scope["extensions"] = {"chat.wire": Wire(protocol, protocol.transport)}
        queue = super().create_application(protocol, scope)
        if queue is not None and self.is_bounded:
            hold_up(queue, protocol.intake)
        return queue


def _lacks(used: list[inside.Used], without: str) -> bool:
    if gone := inside.gone(used):
        logger.warning(
            "This version of Daphne, Autobahn, Twisted or Python has no %s, so %s. "
            "Install the versions of the lock file.",
            ", ".join(gone),
            without,
        )
    return bool(gone)
