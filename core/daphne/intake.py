"""What a client has sent over a socket and is not worked on yet."""

import asyncio
from typing import Any

from django.conf import settings

from core.daphne.frames import OTHER_COSTS, Allowance
from core.rates import Bucket

# A message counts once here and once where its person's frames are counted (CHAT_FRAMES_PER_SECOND,
# five times as many at once). Who sends too many hears so there, up to this many times as many.
RATE = 5
AT_ONCE = 500  # at least: a burst is on its way before its sender hears of the rate
TRY_AGAIN = 0.5  # seconds without reading, where there is no token left
AFTER_CLOSE = 20  # frames (texts: 5 times as many) that are looked at for an answer to our close


class Intake:
    """Of one socket, whose `protocol` is Autobahn's with `cut_off` and `lose_patience`.

    While anything holds it, nothing is read from the socket, and TCP holds up the sender. What is
    kept here is a read of 64 KB, or two where one came with the handshake.
    """

    __slots__ = ("_allowance", "_holders", "_is_closing", "_kept", "_protocol")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._holders: set[str] = set()
        self._kept = b""
        rate = RATE * settings.CHAT_FRAMES_PER_SECOND or 1e9
        self._allowance = Allowance(Bucket(rate, max(AT_ONCE, 5 * rate)))
        self._is_closing = False

    def receive(self, data: bytes) -> None:
        if self._holders:  # Daphne has the socket read from once after the handshake
            if "end" not in self._holders:
                self._kept += data
            self._protocol.transport.pauseProducing()
            return
        self._take(data)

    def hold(self, holder: str) -> None:
        if not self._holders:
            self._protocol.transport.pauseProducing()
        self._holders.add(holder)

    def let_go(self, holder: str) -> None:
        self._holders.discard(holder)
        if self._holders:
            return
        data, self._kept = self._kept, b""
        if data:
            self._take(data)
        if not self._holders:
            self._protocol.transport.resumeProducing()

    def end(self) -> None:
        """Take nothing more."""
        self._kept = b""
        self.hold("end")

    def _take(self, data: bytes) -> None:
        protocol = self._protocol
        if protocol.state != protocol.STATE_OPEN and not self._is_closing:
            self._is_closing = True
            self._allowance.bucket = Bucket(1, AFTER_CLOSE * OTHER_COSTS)
        taken = self._allowance.take(data)
        if taken:
            protocol._dataReceived(data if taken == len(data) else data[:taken])
        if taken == len(data) or "end" in self._holders:
            return
        self._kept = data[taken:]
        loop = asyncio.get_running_loop()
        if taken:  # others first
            self.hold("turn")
            loop.call_soon(self.let_go, "turn")
        elif self._is_closing:
            protocol.cut_off()
        else:
            self.hold("rate")
            loop.call_later(TRY_AGAIN, self.let_go, "rate")
            protocol.lose_patience()
