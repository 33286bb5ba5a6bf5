"""Processes with presence, all in this one: each has a tracker, rosters, and a Redis client."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from presence.roster import Roster
from presence.store import Movement, State, Store, keys
from presence.tracker import Tracker

# Longer than any test runs: what shall end, ends because time was moved or a short one was chosen.
LEASE, RENEW, GRACE = 600.0, 200.0, 100.0


class Scene:
    """What the processes share: a Redis, and the way on which announcements travel."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = Redis.from_url(url)
        self.processes: list[Process] = []
        self.announced: dict[str, list[Movement]] = defaultdict(list)

    def process(self, **options: Any) -> "Process":
        process = Process(self, **options)
        self.processes.append(process)
        return process

    def announce(self, scope: str, changes: Sequence[Movement]) -> None:
        self.announced[scope] += changes
        for process in self.processes:
            if not process.is_dead:
                process.roster(scope).apply(changes)

    def said(self, scope: str) -> list[tuple[str, str]]:
        """What was announced, in order of version."""
        changes = sorted(self.announced[scope], key=lambda change: change.version)
        return [(change.kind, change.user) for change in changes]

    def versions(self, scope: str) -> list[int]:
        return sorted(change.version for change in self.announced[scope])

    async def users(self, scope: str) -> set[str]:
        return {user.decode() for user in await self.redis.smembers(keys(scope)[0])}

    async def pass_time(self, seconds: float, *scopes: str) -> None:
        """For leases it is as if so much time had gone by on Redis's clock."""
        for scope in scopes:
            leases = keys(scope)[1]
            for member in await self.redis.zrange(leases, 0, -1):
                await self.redis.zincrby(leases, -seconds * 1000, member)

    async def close(self) -> None:
        for process in self.processes:
            await process.crash()
        await self.redis.aclose()


class Process:
    """A tracker with rosters. `crash` is kill -9: nothing is said, nothing given back."""

    def __init__(
        self,
        scene: Scene,
        *,
        lease: float = LEASE,
        renew: float = RENEW,
        grace: float = GRACE,
        **client: Any,
    ) -> None:
        self.redis = Redis.from_url(scene.url, **client)
        self.store = Store(self.redis)
        self.rosters: dict[str, Roster] = {}
        self.heard: dict[str, int] = {}
        self.is_dead = False
        self.tracker = Tracker(
            self.store,
            scene.announce,
            lease=lease,
            renew=renew,
            grace=grace,
            heard=self._hear,
        )

    def _hear(self, scope: str, version: int, online: int) -> None:
        self.heard[scope] = version
        self.roster(scope).hear(version, online)

    def roster(self, scope: str) -> Roster:
        return self.rosters.setdefault(scope, Roster())

    async def look(self, scope: str) -> State:
        newest = self.roster(scope).newest
        state = await self.store.state(scope)
        self.roster(scope).reset(state, newest)
        return state

    async def idle(self) -> None:
        """Return when no round trip is under way."""
        async with asyncio.timeout(20):
            while self.is_busy:
                await asyncio.sleep(0.001)

    @property
    def is_busy(self) -> bool:
        return self.tracker.flight is not None or self.tracker.trip.locked()

    async def crash(self) -> None:
        self.is_dead = True
        tasks = [*self.tracker.timers, *filter(None, [self.tracker.flight])]
        self.tracker.is_closed = True  # the flight's end shall not begin another
        while tasks := [task for task in tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.1)
        await self.redis.aclose()
