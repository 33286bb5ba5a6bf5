"""Daphne's side of a socket, with bounds on what a client may send before anybody looks at it.

Autobahn answers pings, joins fragments and skips pongs before the application, or whoever counts
there, hears of them. So what comes is counted here, by connection and before Autobahn sees it. Who
sends faster than it may is not read from meanwhile, which costs nothing and holds the sender up;
who goes on so is closed with BAD_FRAMES. After a close frame of ours hardly anything is read.
"""

import asyncio
from typing import Any

import daphne.server  # noqa: F401 - first of all of Twisted: it installs the reactor
from autobahn.websocket import protocol as autobahn
from autobahn.websocket.types import ConnectionDeny
from daphne.utils import parse_x_forwarded_for
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings

from core.daphne.close import Close
from core.daphne.intake import Intake
from core.daphne.returns import GONE, TURNED_AWAY, Returns
from core.rates import Bucket
from core.web.throttle import network

# Seconds that a client has to answer our close frame before it is cut off. Autobahn gives it one;
# but who is closed for reading too slowly has a megabyte before that frame, and when it reads on
# should see the code, not a connection that broke.
CLOSE_HANDSHAKE = 10
LAST_WORD = 1.0  # seconds that a client has to read our code, where nothing is read any more
SHORT = 2.0  # seconds; a socket that was over by then counts against its address …
MAY_COME_BACK = frozenset(
    {Close.COME_BACK, Close.TOO_SLOW, Close.LEAVING}
)  # … but where it is told to come back (PROTOCOL.md)
TOO_MANY = "Your browser or app sent too many requests for too long."

# Autobahn lays out all of its options for a log that nobody keeps: half of what a handshake costs.
setattr(autobahn, "pformat", lambda _: "")  # noqa: B010 - it exports no such name


class BoundedProtocol(WebSocketProtocol):
    """One socket. `intake` begins with the first frame."""

    intake: Intake
    _address: str | None = None
    _paid = 0.0  # for coming back
    _patience: Bucket | None = None
    message_data: list[bytes] | None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.closeHandshakeTimeout = CLOSE_HANDSHAKE
        self.intake = Intake(self)
        self._began = asyncio.get_running_loop().time()

    def dataReceived(self, data: bytes) -> None:
        if self._address is not None:
            self.intake.receive(data)
            return
        # The request, as Daphne has read it. A body would pass for frames, megabytes at once.
        head, end, _ = data.partition(b"\r\n\r\n")
        self._ask(head + end)

    # -- coming in ------------------------------------------------------------------------------

    def _ask(self, request: bytes) -> None:
        """Before Autobahn looks at it: most of what it refuses costs as much as what it accepts."""
        self._address = self._find_address(request)
        self.intake.hold("handshake")
        returns = self.factory.returns
        if not returns.must_wait(self._address):
            self._shake_hands(request)
        elif not returns.wait(self._address, lambda: self._come_in(request)):
            self.failHandshake("Too Many Requests", 429)

    def _shake_hands(self, request: bytes) -> None:
        # Past a line that Autobahn colours for each read, for a log that nobody keeps.
        self._dataReceived(request)

    def _find_address(self, request: bytes) -> str:
        peer: Any = [getattr(self.transport.getPeer(), "host", None), 0]
        if header := self.factory.server_class.proxy_forwarded_address_header:
            lines = request.split(b"\r\n")[1:]
            headers = {name: value.strip() for name, _, value in (x.partition(b":") for x in lines)}
            peer, _ = parse_x_forwarded_for(headers, header, None, None, peer)
        return network(peer[0])

    def _come_in(self, request: bytes) -> bool:
        if self.state != self.STATE_CONNECTING:
            return False
        self._paid = GONE
        self._shake_hands(request)
        return True

    def onConnect(self, request: Any) -> Any:
        if not request.headers.get("sec-websocket-protocol", "").isascii():
            raise ConnectionDeny(400, "Bad Request")  # Daphne would fail on it
        return super().onConnect(request)

    def onOpen(self) -> None:
        super().onOpen()
        self.intake.let_go("handshake")

    # -- what Autobahn does with frames -----------------------------------------------------------

    def onMessageEnd(self) -> None:
        # Without the signal that Autobahn fires for each message, which nobody listens to; and not
        # after our close frame, when the application takes nothing more.
        if self.state == self.STATE_OPEN and self.message_data is not None:
            self._onMessage(b"".join(self.message_data), self.message_is_binary)
        self.message_data = None

    def onPing(self, payload: bytes) -> None:
        """Answer, unless its client reads nothing: each answer would wait in our memory."""
        if unsent(self.transport) > settings.CHAT_OUTBOX_BYTES:
            self.sendClose(Close.TOO_SLOW)
        elif self.state == self.STATE_OPEN:
            self.sendPong(payload)

    def lose_patience(self) -> None:
        """For a second in which too much came."""
        if self._patience is None:
            most = settings.CHAT_BAD_FRAMES_MAX
            self._patience, self._seconds = Bucket(most / 60, most - 1), Bucket(1, 1)
        if not self._seconds.take() and self._patience.take():
            self._fail_connection(Close.BAD_FRAMES, TOO_MANY)

    # -- the end ----------------------------------------------------------------------------------

    def _fail_connection(self, code: int = Close.BAD_FRAMES, reason: str = TOO_MANY) -> None:
        """What came is no WebSocket frame, is far too long, or is too much for too long."""
        self.failedByMe = True
        self.sendClose(Close.BAD_FRAMES, reason)
        self.cut_off()

    def sendClose(self, code: int | None = None, reason: str | None = None) -> None:
        if code == Close.BAD_FRAMES:  # for what it sent, whenever
            self._count(TURNED_AWAY)
        elif code not in MAY_COME_BACK:
            self._count_if_short(TURNED_AWAY)
        super().sendClose(None if code is None else int(code), reason)
        self.intake.let_go("application")  # what it has not taken yet is not waited for

    def failHandshake(self, reason: str, code: int = 400, *args: Any) -> Any:
        self._count_if_short(TURNED_AWAY)
        return super().failHandshake(reason, code, *args)

    def cut_off(self) -> None:
        """Read nothing more; the client has a moment to read what was sent to it."""
        self.intake.end()
        asyncio.get_running_loop().call_later(LAST_WORD, self.dropConnection, True)

    def dropConnection(self, abort: bool = False) -> None:
        super().dropConnection(abort)
        if not abort and unsent(self.transport):  # which its client may never take
            asyncio.get_running_loop().call_later(CLOSE_HANDSHAKE, self.transport.abortConnection)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.closedByMe:
            self._count_if_short(GONE)
        if self in self.factory.server_class.connections:  # not while it waited to come in
            super().onClose(wasClean, code, reason)

    def _count_if_short(self, price: float) -> None:
        if asyncio.get_running_loop().time() - self._began < SHORT:
            self._count(price)

    def _count(self, price: float) -> None:
        """Against its address, once."""
        if price > self._paid and self._address is not None:
            self.factory.returns.count(self._address, price - self._paid)
            self._paid = price


class BoundedFactory(WebSocketFactory):
    protocol = BoundedProtocol

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.returns = Returns()


def unsent(transport: Any) -> int:
    """Bytes that the socket has not taken yet."""
    return len(transport.dataBuffer) - transport.offset + int(transport._tempDataLen)
