"""Members of rooms, as the load generator plays them: fast enough not to be what is measured.

Each message's text is `s<sender>|<time>|…`. Senders keep a number of messages in flight: the next
one leaves when an own one is back. What arrives is counted, not parsed.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

MARK = b"|measured load"
READY = b'"type":"presence.state"'  # the last of what our server sends at first
HISTORY = b'"type":"chat.history"'
MESSAGE = b'"seq":'  # one of a history
ERROR = b'"type":"error"'


@dataclass
class Tally:
    """What all members of one run have seen together."""

    sent: int = 0
    confirmed: int = 0
    delivered: int = 0
    errors: int = 0
    closed: int = 0
    bytes: int = 0
    sending: bool = False
    latencies: list[float] = field(default_factory=list)  # seconds, of senders' own messages


class Member(WSListener):
    """One connection. `waits` tells whether the server sends a history before it is ready."""

    def __init__(self, number: int, tally: Tally, *, in_flight: int, waits: bool) -> None:
        self.tag = f"s{number}|".encode()
        self.key = b'"message":"' + self.tag
        self.spaced = b'"message": "' + self.tag  # as json.dumps writes it
        self.tally = tally
        self.in_flight = in_flight
        self.waits = waits
        self.sent = self.delivered = 0
        self.shown = 0  # messages in what it was shown at first
        self.is_ready = False
        self.transport: WSTransport | None = None
        self.began = time.perf_counter()
        self.opened_at = self.history_at = 0.0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.opened_at = time.perf_counter()
        if not self.waits:
            self._set_ready()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.tally.closed += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was ready"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), b"")
                transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        self.tally.bytes += len(payload)
        if not self.is_ready:
            if HISTORY in payload:
                self.history_at = self.history_at or time.perf_counter()
                self.shown += payload.count(MESSAGE)
            if READY in payload:
                self._set_ready()
            return
        count = payload.count(MARK)
        self.delivered += count
        self.tally.delivered += count
        if not count and ERROR in payload:
            self.tally.errors += payload.count(ERROR)
        if self.in_flight:
            self._find_own(payload)

    def _find_own(self, payload: bytes) -> None:
        key = self.key if self.key in payload else self.spaced
        at = payload.find(key)
        while at >= 0:
            start = at + len(key)
            sent = float(payload[start : payload.index(b"|", start)])
            self.tally.latencies.append(time.perf_counter() - sent)
            self.tally.confirmed += 1
            if self.tally.sending:
                self.post()
            at = payload.find(key, start)

    def post(self) -> None:
        assert self.transport is not None
        self.sent += 1
        self.tally.sent += 1
        now = f"{time.perf_counter():.6f}".encode()
        text = b'{"message":"' + self.tag + now + MARK + b', a line as people write them"}'
        self.transport.send(WSMsgType.TEXT, text)

    def leave(self) -> None:
        if self.transport is not None:
            self.transport.disconnect()

    def _set_ready(self) -> None:
        self.is_ready = True
        if not self.ready.done():
            self.ready.set_result(None)


async def connect(
    url: str,
    member: Member,
    *,
    cookie: str | None = None,
    lines: bool = False,
    timeout: float = 120,
) -> Member:
    """Open the socket and wait until the member has been shown the room."""
    headers = []
    if cookie:
        headers.append(("Cookie", cookie))
    if lines:
        headers.append(("Sec-WebSocket-Protocol", "chat.v1"))
    member.began = time.perf_counter()
    await ws_connect(
        lambda: member, url, extra_headers=headers, websocket_handshake_timeout=timeout
    )
    async with asyncio.timeout(timeout):
        await member.ready
    return member


async def connect_all(
    urls: Sequence[str],
    tally: Tally,
    *,
    senders: int = 0,
    in_flight: int = 0,
    waits: bool = True,
    cookies: Sequence[str] = (),
    lines: bool = False,
    at_once: int = 25,
) -> list[Member]:
    """A member a URL; the first `senders` of them will send."""
    members: list[Member] = []
    for start in range(0, len(urls), at_once):
        members += await asyncio.gather(
            *(
                connect(
                    urls[n],
                    Member(n, tally, in_flight=in_flight if n < senders else 0, waits=waits),
                    cookie=cookies[n] if cookies else None,
                    lines=lines,
                )
                for n in range(start, min(start + at_once, len(urls)))
            )
        )
    return members


def miscounted(crowd: Sequence[Member], rooms: int) -> int:
    """How many were delivered more or less than was sent to their room. Member n is in room
    n % rooms."""
    sent = [sum(member.sent for member in crowd[room::rooms]) for room in range(rooms)]
    return sum(member.delivered != sent[n % rooms] for n, member in enumerate(crowd))
