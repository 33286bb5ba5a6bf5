"""Random comings and goings over three processes, beside a model that knows the truth.

Time is moved, on Redis's leases and on the processes' own clock, and not waited for.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Set
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from presence import schedule
from presence import tracker as tracker_module
from tests.presence.processes import GRACE, LEASE, RENEW, Process, Scene
from tests.support.sockets import RedisServer

SCOPES = ("a", "b")
USERS = 5
PROCESSES = 3


class Action(NamedTuple):
    kind: str
    process: int
    number: int  # which of what there is to choose from
    wait: bool  # until it is done, or is the next one under way at the same time


KINDS = (
    *["open"] * 8,
    *["close"] * 6,
    *["close at once"] * 2,
    *["renew"] * 2,
    *["sweep"] * 2,
    "second",
    "minute",
    "grace",
    "crash",
    "deploy",
    "flush",
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class Open(NamedTuple):
    scope: str
    user: str
    connection: str


class World:
    """What is true, and beside it what Redis has and what was announced."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.scene = Scene(url)
        self.clock = clock
        self.processes = [self.scene.process() for _ in range(PROCESSES)]
        self.open: list[dict[Open, None]] = [{} for _ in range(PROCESSES)]
        self.ending: dict[tuple[str, str], float] = {}  # until when somebody who left may be seen
        self.lost: set[Open] = set()  # what Redis has lost, and its process not yet brought back
        self.flushed: dict[str, int] = defaultdict(int)  # the version before it was emptied
        self.entering: list[asyncio.Task[None]] = []
        self.number = 0
        self.steps = 0

    # -- what happens -------------------------------------------------------------------------

    async def play(self, actions: list[Action]) -> None:
        for scope in SCOPES:
            for process in self.processes:
                await process.look(scope)
        for action in actions:
            await self.do(action)
            if action.wait:
                await self.check()
        await self.check()
        await self.heal()

    async def do(self, action: Action) -> None:
        process, mine = self.processes[action.process], self.open[action.process]
        tracker = process.tracker
        match action.kind:
            case "open":
                scope, user = SCOPES[action.number % 2], str(action.number // 2 % USERS)
                self.number += 1
                one = Open(scope, user, f"tab-{self.number}")
                mine[one] = None
                self.entering.append(asyncio.create_task(tracker.enter(*one)))
                await asyncio.sleep(0)  # it has begun
            case "close" | "close at once" if mine:
                one = list(mine)[action.number % len(mine)]
                del mine[one]
                at_once = action.kind == "close at once"
                tracker.leave(*one, at_once=at_once)
                if not at_once:
                    self.ends_within(one, GRACE)
            case "renew":
                await tracker.renew()
                self.lost -= mine.keys()
            case "sweep":
                await tracker.sweep()
            case "second" | "minute" | "grace":
                await self.pass_time({"second": 1, "minute": 60, "grace": GRACE}[action.kind])
            case "crash":
                await self.settle()
                await process.crash()
                for one in mine:
                    self.ends_within(one, LEASE)
                self.replace(action.process)
            case "deploy":
                await self.settle()
                await tracker.close(grace=GRACE)
                for one in mine:
                    self.ends_within(one, GRACE)
                self.replace(action.process)
            case "flush":
                await self.settle()
                for scope in SCOPES:
                    self.flushed[scope] = max(self.scene.versions(scope), default=0)
                await self.scene.redis.flushall()
                self.scene.announced.clear()
                self.ending.clear()
                self.lost = {one for mine in self.open for one in mine}

    def ends_within(self, one: Open, seconds: float) -> None:
        place = (one.scope, one.user)
        self.ending[place] = max(self.ending.get(place, 0), self.clock.now + seconds)

    def replace(self, place: int) -> None:
        self.processes[place] = self.scene.process()
        self.open[place] = {}

    async def pass_time(self, seconds: float) -> None:
        """Time goes by, and every process renews as often as it has to."""
        await self.settle()
        while seconds > 0:
            step = min(seconds, RENEW / 2)
            seconds -= step
            await self.scene.pass_time(step, *SCOPES)
            self.clock.now += step
            for process in self.processes:
                await process.tracker.renew()
                await process.tracker.sweep()
            self.lost.clear()

    # -- what must hold -----------------------------------------------------------------------

    def here(self, scope: str, but: Set[Open] = frozenset()) -> set[str]:
        everything = [one for mine in self.open for one in mine if one not in but]
        return {one.user for one in everything if one.scope == scope}

    async def settle(self) -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*self.entering)
        self.entering.clear()
        for process in self.processes:
            await process.idle()

    async def check(self) -> None:
        await self.settle()
        self.steps += 1
        for scope in SCOPES:
            users, here = await self.scene.users(scope), self.here(scope)
            assert self.here(scope, self.lost) <= users, "missing"
            assert users - here <= self.may_be_seen(scope), "ghosts"
            self.check_announced(scope, users)
            for process in self.processes:
                await self.check_roster(process, scope, users)

    def may_be_seen(self, scope: str) -> set[str]:
        """Of those who left; where nobody is left who could end their leases, Redis does, later."""
        is_served = any(one.scope == scope for mine in self.open for one in mine)
        return {
            user
            for (place, user), end in self.ending.items()
            if place == scope and (end >= self.clock.now or not is_served)
        }

    def check_announced(self, scope: str, users: set[str]) -> None:
        versions = self.scene.versions(scope)
        if versions:
            assert versions == list(range(versions[0], versions[0] + len(versions))), "a hole"
            assert versions[0] > self.flushed[scope]
        seen: set[str] = set()
        for kind, user in self.scene.said(scope):
            assert (kind == "left") == (user in seen), f"doubled: {user} {kind}"
            seen ^= {user}
        assert seen == users, "what was announced is not what is there"

    async def check_roster(self, process: Process, scope: str, users: set[str]) -> None:
        roster = process.roster(scope)
        newest = roster.newest
        state = await process.store.state(scope)
        roster.hear(state.version, len(state.users))
        while roster.misses:
            roster.reset(state, newest)  # something was late; it knows that
            newest = state.version
        if roster.version == state.version:
            assert set(roster.users) == users

    async def heal(self) -> None:
        """After a lease's time, who is shown is who is there, to the last one."""
        for process in self.processes[:1]:  # serves all scopes
            for scope in SCOPES:
                await process.tracker.enter(scope, "watcher", "x")
                self.open[0][Open(scope, "watcher", "x")] = None
        await self.pass_time(LEASE + GRACE)
        self.ending.clear()
        await self.check()
        for scope in SCOPES:
            assert await self.scene.users(scope) == self.here(scope)


def play(url: str, actions: list[Action], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(tracker_module, "time", clock)
    monkeypatch.setattr(schedule, "time", clock)
    monkeypatch.setattr(tracker_module, "SWEEP", LEASE)  # only when it is told to

    async def go() -> None:
        async with Redis.from_url(url) as redis:
            await redis.flushall()
        world = World(url, clock)
        try:
            await world.play(actions)
        finally:
            await world.scene.close()

    asyncio.run(go())


def test_500_random_things_over_three_processes(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    actions = [
        Action(
            chance.choice(KINDS),
            chance.randrange(PROCESSES),
            chance.randrange(1_000),
            chance.random() < 0.5,
        )
        for _ in range(500)
    ]
    play(valkey.url, actions, monkeypatch)


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.builds(
            Action,
            st.sampled_from(KINDS),
            st.integers(0, PROCESSES - 1),
            st.integers(0, 999),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_happens(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch, actions: list[Action]
) -> None:
    play(valkey.url, actions, monkeypatch)
