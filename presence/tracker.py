"""This process's leases: taken when a connection comes, renewed while it lives."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from presence.round_trip import AWAY
from presence.schedule import Schedule
from presence.store import Movement, Result, Store
from presence.supervision import Keep, Running, Work, keep

logger = logging.getLogger(__name__)

T = TypeVar("T")
Announce = Callable[[str, Sequence[Movement]], None]
Heard = Callable[[str, int, int], None]

SWEEP = 0.5  # seconds between looks for leases whose time is over


class Tracker:
    """Holds leases for local connections and hands what changed to `announce(scope, changes)`.

    Comings and goings that gather while one round trip runs share the next. Redis may be away: a
    lease is kept here all the same, and the next renewal takes it there; one that could not be
    given back is given back later.

    After each renewal `heard(scope, version, online)` is told where the scope stands, so that
    whoever follows it finds what was lost: an announcement, or Redis's answer, on the way; or what
    Redis had.
    A scope may also be watched, without a lease: it is looked after and heard of just the same.

    `keep(name, work)` runs each of the two timers, and is to begin it again should it fail.

    `grace` may be made longer when the process is about to end, and its users to be sent elsewhere.
    """

    def __init__(
        self,
        store: Store,
        announce: Announce,
        *,
        lease: float,
        renew: float,
        grace: float,
        heard: Heard | None = None,
        keep: Keep = keep,
    ) -> None:
        self.store = store
        self._announce = announce
        self._heard = heard
        self._keep = keep
        self._lease = lease
        self._renew = renew
        self.schedule = Schedule(renew)
        self.grace = grace
        self._watched: set[str] = set()
        self._leases: dict[str, dict[str, None]] = {}
        self._entering: dict[str, dict[str, asyncio.Future[None]]] = {}
        # By grace and scope: members, each with when its lease has ended by itself.
        self._leaving: defaultdict[float, dict[str, dict[str, float]]] = defaultdict(dict)
        # One round trip at a time: a renewal under way must not bring back a lease that was left.
        self.trip = asyncio.Lock()
        self._has_news = False
        self.is_closed = False
        self.flight: asyncio.Task[None] | None = None
        self.timers: list[Running] = []

    async def enter(self, scope: str, user: str, connection: str) -> None:
        """Take a lease; returns when Redis has it, or does not answer."""
        if self.is_closed:
            return
        member = f"{user}:{connection}"
        self._leases.setdefault(scope, {})[member] = None
        for leaving in self._leaving.values():  # it has changed its mind
            _pop(leaving, scope, member)
        answers = self._entering.setdefault(scope, {})
        answer = answers.setdefault(member, asyncio.get_running_loop().create_future())
        self._fly()
        await asyncio.shield(answer)

    def leave(self, scope: str, user: str, connection: str, *, at_once: bool = False) -> None:
        """Give a lease back; it ends after the grace, or at once, and is announced then."""
        member = f"{user}:{connection}"
        if member not in self._leases.get(scope, ()):
            return  # it never had one
        _pop(self._leases, scope, member)
        entering = _pop(self._entering, scope, member)
        if entering is not None and not entering.done():
            entering.set_result(None)
        leaving = self._leaving[0.0 if at_once else self.grace].setdefault(scope, {})
        leaving[member] = time.monotonic() + self._lease
        self._fly()

    def watch(self, scope: str) -> None:
        """Somebody here looks at the scope, with a lease or without."""
        if scope not in self._watched and not self.is_closed:
            self._watched.add(scope)
            # The next sweep finds out who left it, and when the next lease there ends.
            self.schedule.ends.setdefault(scope, time.monotonic())
            self._start()

    def unwatch(self, scope: str) -> None:
        self._watched.discard(scope)

    async def renew(self) -> None:
        """Renew every lease in one round trip, and end what a dead process left in our scopes."""
        async with self.trip:
            self.schedule.begin(self._ours)
            await self._hold(self._ours)

    async def sweep(self) -> None:
        """End, and announce, what is over in our scopes: of those who have not come back within
        the grace, and of processes that died. While all renew, this asks Redis nothing."""
        if any(self._leaving.values()):  # Redis was away
            self._fly()
        async with self.trip:  # a renewal under way may be doing it
            results = await self._hold(self.schedule.over(self._ours))
        # One script ends so many at most.
        while over := {scope for scope, result in results.items() if result.next_end == 0}:
            async with self.trip:
                results = await self._hold(over)

    async def close(self, grace: float) -> None:
        """Give all leases back; `grace` seconds are there for the users to turn up elsewhere."""
        self.is_closed = True
        leases, self._leases = self._leases, {}
        tasks = [*self.timers, *([self.flight] if self.flight else [])]
        while tasks := [task for task in tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            # Again: Python 3.11's wait_for, which redis uses, may swallow a cancellation.
            await asyncio.sleep(0.01)
        self._answer(self._entering)
        with suppress(*AWAY):  # then they end by themselves
            await self._give_back()
            self._take(await self.store.leave(_lists(leases), grace))

    def _fly(self) -> None:
        self._has_news = True
        if self.is_closed:
            return
        self._start()
        if self.flight is None:
            self.flight = asyncio.create_task(self._exchange())
            self.flight.add_done_callback(self._landed)

    def _start(self) -> None:
        if not self.timers:
            self.schedule.begin()
            self.timers = [
                self._keep("presence renewal", partial(self._every, self._renew, self.renew)),
                self._keep("presence sweep", partial(self._every, SWEEP, self.sweep)),
            ]

    def _landed(self, flight: "asyncio.Task[None]") -> None:
        self.flight = None
        if self._has_news:  # since it began; what failed waits for the next sweep
            self._fly()

    async def _exchange(self) -> None:
        async with self.trip:
            self._has_news = False
            entering, self._entering = self._entering, {}
            try:
                # What is ours and may be over must not end now. Who enters there is taken along.
                leaving = (scope for each in self._leaving.values() for scope in each)
                late = self.schedule.late({*entering, *leaving})
                await self._hold(late)
                new = {scope: list(each) for scope, each in entering.items() if scope not in late}
                if new:
                    results = await self.store.hold(new, self._lease)
                    self.schedule.failed(new.keys() - results.keys())
                    self._take(results)
                await self._give_back()
            except AWAY as error:
                self.schedule.failed(entering.keys())
                _say_away(error)
            except Exception:
                self.schedule.failed(entering.keys())
                logger.exception("Presence: could not take or give back leases")
            finally:
                self._answer(entering)

    async def _hold(self, scopes: Set[str]) -> dict[str, Result]:
        """End what is over in these scopes. Our leases are sent along only where they may be over,
        and so renewed before: a scope may have all of a process's connections."""
        late = self.schedule.late(scopes)
        members = {
            scope: list(self._leases.get(scope, ())) if scope in late else [] for scope in scopes
        }
        if not members:
            return {}
        self.schedule.asked(members.keys(), self._ours)
        results = await self.store.hold(members, self._lease)
        self.schedule.answered(results.keys())
        self._take(results)
        if self._heard is not None:
            for scope in late & results.keys():
                self._heard(scope, results[scope].version, results[scope].online)
        return results

    async def _give_back(self) -> None:
        for grace in list(self._leaving):
            if not (given := self._leaving.pop(grace)):  # all of them have come back
                continue
            results: dict[str, Result] = {}
            try:
                results = await self.store.leave(_lists(given), grace)
            finally:
                # Redis may not have heard: try again, unless it has come back, or is over.
                now = time.monotonic()
                for scope in given.keys() - results.keys():
                    for member, ends in given[scope].items():
                        if ends > now and member not in self._leases.get(scope, ()):
                            self._leaving[grace].setdefault(scope, {})[member] = ends
            self._take(results)

    def _answer(self, entering: Mapping[str, Mapping[str, "asyncio.Future[None]"]]) -> None:
        for answers in entering.values():
            for answer in answers.values():
                if not answer.done():
                    answer.set_result(None)

    def _take(self, results: Mapping[str, Result]) -> None:
        ours = self._ours
        for scope, result in results.items():
            end = result.next_end
            # Where nobody of ours is any more, we look after the leases that we gave back.
            if end is None or (scope not in ours and end > self.grace):
                self.schedule.forget(scope)
            else:
                self.schedule.look_after(scope, end)
        for scope, result in results.items():
            try:
                if result.changes:
                    self._announce(scope, result.changes)
            except Exception:  # the other scopes' changes come only once too
                logger.exception("Presence: could not announce what changed in %s", scope)

    @property
    def _ours(self) -> Set[str]:
        return self._leases.keys() | self._watched

    async def _every(self, seconds: float, work: Work) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except AWAY as error:
                _say_away(error)


def _say_away(error: Exception) -> None:
    logger.warning(
        "Presence: Redis does not answer or takes nothing; who comes or goes shows later: %s", error
    )


def _lists(by_scope: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    return {scope: list(members) for scope, members in by_scope.items()}


def _pop(by_scope: dict[str, dict[str, T]], scope: str, member: str) -> T | None:
    """Take a member out, and its scope if that was the last."""
    members = by_scope.get(scope, {})
    found = members.pop(member, None)
    if not members:
        by_scope.pop(scope, None)
    return found
