"""Daphne, with a short way to the socket for frames that many connections share.

Through ASGI each `send` builds its own WebSocket frame and puts the socket into the selector and
out again. Frames from a server are unmasked, so a room's frame is the same bytes for everybody:
`scope["extensions"]["chat.wire"]` takes those bytes as they are, and tells how much the reader has
not taken yet, which ASGI under Daphne has no way to say.
"""

from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol
from daphne.server import Server
from twisted.internet.tcp import Connection


class Wire:
    """One socket, for finished WebSocket frames."""

    __slots__ = ("_protocol", "_transport")

    def __init__(self, protocol: WebSocketProtocol, transport: Connection) -> None:
        self._protocol = protocol
        self._transport = transport

    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
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


class WiredServer(Server):
    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        transport = getattr(protocol, "transport", None)
        # Plain TCP only; behind TLS of its own Daphne's frames take the ordinary way.
        if scope["type"] == "websocket" and isinstance(transport, Connection):
            scope["extensions"] = {"chat.wire": Wire(protocol, transport)}
        return super().create_application(protocol, scope)
