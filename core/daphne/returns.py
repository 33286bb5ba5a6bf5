"""How often one address may come back after its sockets were turned away.

A handshake costs a millisecond or two, and who is refused may ask again at once. So each socket
that is refused, or ended for what it sent, counts against its address; one that is gone within two
seconds costs half of that. Past a number of them the address's next sockets wait for their
handshake, one after the other. Those that are let in and stay cost it nothing: a thousand people
behind one address come back at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from core.rates import Buckets

AT_ONCE = 100  # sockets of one address that may be turned away …
A_SECOND = 10.0  # … and then so many a second
DEBT_MAX = 50  # further ones count no more: they were on their way already
TURNED_AWAY = 1.0
GONE = 0.5  # by itself; also the price of a handshake that had to wait
WAITING_MAX = 200  # sockets of one address that wait for their handshake

Enter = Callable[[], bool]  # shakes hands; False where the socket is gone


class Returns:
    """For one event loop."""

    def __init__(self) -> None:
        self._buckets = Buckets(A_SECOND, AT_ONCE)
        self._queues: dict[str, deque[Enter]] = {}

    def count(self, address: str, price: float) -> None:
        bucket = self._buckets.of(address)
        if bucket.level() > -DEBT_MAX:
            bucket.spend(price)

    def must_wait(self, address: str) -> bool:
        return address in self._queues or self._buckets.of(address).level() < 1

    def wait(self, address: str, enter: Enter) -> bool:
        """Have `enter` called when it is its turn. False where too many wait already."""
        queue = self._queues.get(address)
        if queue is None:
            self._queues[address] = deque([enter])
            self._call_next(address)
        elif len(queue) < WAITING_MAX:
            queue.append(enter)
        else:
            return False
        return True

    def _call_next(self, address: str) -> None:
        bucket = self._buckets.of(address)
        seconds = max(0.0, 1 - bucket.level()) / A_SECOND
        asyncio.get_running_loop().call_later(seconds, self._let_in, address)

    def _let_in(self, address: str) -> None:
        queue = self._queues[address]
        while queue:
            if queue.popleft()():
                self._buckets.of(address).spend(GONE)
                break
        if queue:
            self._call_next(address)
        else:
            del self._queues[address]
