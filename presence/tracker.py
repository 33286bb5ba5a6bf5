"""This process's leases: taken when a connection comes, renewed while it lives."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from presence.store import Change, Store

logger = logging.getLogger(__name__)

Announce = Callable[[str, Sequence[Change]], None]
# What Redis's being away looks like from here.
AWAY = (RedisError, OSError, asyncio.TimeoutError)

SWEEP = 0.5  # seconds between looks for leases whose grace is over


class Tracker:
    """Holds leases for local connections and hands what changed to `announce(scope, changes)`.

    Comings and goings that gather while one round trip runs share the next. Redis may be away: a
    lease is kept here all the same, and the next renewal takes it there.
    """

    def __init__(
        self, store: Store, announce: Announce, *, lease: float, renew: float, grace: float
    ) -> None:
        self.store = store
        self._announce = announce
        self._lease = lease
        self._renew = renew
        self._grace = grace
        self._leases: dict[str, dict[str, None]] = {}
        self._entering: dict[str, dict[str, asyncio.Future[int]]] = {}
        self._leaving: dict[str, list[str]] = {}
        self._leaving_at_once: dict[str, list[str]] = {}
        self._lingering: dict[str, float] = {}  # scope → when its last left lease has ended
        self._flight: asyncio.Task[None] | None = None
        self._timers: list[asyncio.Task[None]] = []

    async def enter(self, scope: str, user: str, connection: str) -> int:
        """Take a lease. Returns how many the user has in the scope, here and elsewhere."""
        member = f"{user}:{connection}"
        self._leases.setdefault(scope, {})[member] = None
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._entering.setdefault(scope, {})[member] = answer
        self._fly()
        return await answer

    def leave(self, scope: str, user: str, connection: str, *, at_once: bool = False) -> None:
        """Give a lease back; it ends after the grace, or at once, and is announced then."""
        member = f"{user}:{connection}"
        members = self._leases.get(scope, {})
        if members.pop(member, member) is not None:
            return  # it never had one
        if not members:
            del self._leases[scope]
        entering = self._entering.get(scope, {}).pop(member, None)
        if entering is not None and not entering.done():
            entering.set_result(0)
        leaving = self._leaving_at_once if at_once else self._leaving
        leaving.setdefault(scope, []).append(member)
        self._fly()

    async def renew(self) -> None:
        """Renew every lease in one round trip, and end what a dead process left in our scopes."""
        leases = {scope: list(members) for scope, members in self._leases.items()}
        if leases:
            self._announce_all(await self.store.renew(leases, self._lease))

    async def close(self, grace: float) -> None:
        """Give all leases back; `grace` seconds are there for the users to turn up elsewhere."""
        for task in [*self._timers, *([self._flight] if self._flight else [])]:
            task.cancel()
        leases, self._leases = self._leases, {}
        with suppress(*AWAY):  # then they end by themselves
            await self.store.leave({scope: list(each) for scope, each in leases.items()}, grace)

    def _fly(self) -> None:
        if not self._timers:
            self._timers = [
                asyncio.create_task(self._every(self._renew, self.renew, "renew")),
                asyncio.create_task(self._every(SWEEP, self._sweep, "reap")),
            ]
        if self._flight is None:
            self._flight = asyncio.create_task(self._exchange())
            self._flight.add_done_callback(self._landed)

    def _landed(self, flight: "asyncio.Task[None]") -> None:
        self._flight = None
        if self._entering or self._leaving or self._leaving_at_once:
            self._fly()

    async def _exchange(self) -> None:
        entering, self._entering = self._entering, {}
        leaving, self._leaving = self._leaving, {}
        at_once, self._leaving_at_once = self._leaving_at_once, {}
        counts: dict[str, dict[str, int]] = {}
        try:
            if entering:
                members = {scope: list(answers) for scope, answers in entering.items()}
                changes, counts = await self.store.enter(members, self._lease)
                self._announce_all(changes)
            if leaving:
                over = time.monotonic() + self._grace
                self._lingering |= dict.fromkeys(leaving, over)
                self._announce_all(await self.store.leave(leaving, self._grace))
            if at_once:
                self._announce_all(await self.store.leave(at_once, 0))
        except AWAY as error:
            logger.warning("Presence: Redis is away, leases will be taken and end later: %s", error)
        finally:
            for scope, answers in entering.items():
                for member, answer in answers.items():
                    if not answer.done():
                        here = self._count_here(scope, member)
                        answer.set_result(counts.get(scope, {}).get(member, here))

    def _count_here(self, scope: str, member: str) -> int:
        user = member.partition(":")[0]
        return sum(one.startswith(f"{user}:") for one in self._leases.get(scope, ()))

    async def _sweep(self) -> None:
        """End, and announce, what was left and has not been taken again in the grace."""
        if not self._lingering:
            return
        now = time.monotonic()
        scopes = list(self._lingering)
        self._announce_all(await self.store.reap(scopes))
        for scope in scopes:
            if self._lingering[scope] + SWEEP < now:
                del self._lingering[scope]

    def _announce_all(self, changes: dict[str, list[Change]]) -> None:
        for scope, each in changes.items():
            if each:
                self._announce(scope, each)

    async def _every(
        self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]], name: str
    ) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except AWAY as error:
                logger.warning("Presence: could not %s, will retry: %s", name, error)
            except Exception:
                logger.exception("Presence: could not %s", name)
