"""One fault's surroundings: rooms of its own, clients under load, the wait until all agree."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults import check
from tests.faults.clients import Client, FirstSeen, Person
from tests.faults.log import Problem
from tests.faults.world import World

ROOMS = 3
ENTER_WITHIN = 30.0  # seconds
QUIET = 0.6  # seconds after all agree, in which a late double would still come
RATE = 1.5  # commands a second and client


@dataclass
class Outcome:
    """A row of the table."""

    name: str
    clients: int = 0
    posts: int = 0  # confirmed
    commands: int = 0  # confirmed, posts and all others
    returns: int = 0  # connections after a client's first
    agree: float | None = None  # seconds from the end of the load; None: they never did
    slowest: float = 0.0  # seconds that a live change reached somebody after the first
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(problem.kind for problem in self.problems)

    @property
    def holds(self) -> bool:
        return not self.problems and self.agree is not None


class Stage:
    def __init__(self, world: World, name: str, seed: str, *, seconds: float) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.seconds = seconds
        self.rooms = [f"{name}-{n}" for n in range(ROOMS)]
        self.clients: list[Client] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []
        self.extra: set[Client] = set()  # those whom the fault itself drives
        self._first_seen = {room: FirstSeen() for room in self.rooms}
        self._seed = seed
        self._loads: list[asyncio.Task[None]] = []

    # -- clients ------------------------------------------------------------------------------

    def add(self, person: Person, room: str, *, home: int | None = None) -> Client:
        number = len(self.clients)
        client = Client(
            f"c{number}",
            person,
            room,
            self.world.addresses,
            seed=f"{self._seed}/{number}",
            first_seen=self._first_seen[room],
            lines=number % 4 > 0,  # some speak no subprotocol
            home=home,
        )
        self.clients.append(client)
        client.start()
        return client

    def people(self, people: Sequence[Person]) -> None:
        for number, person in enumerate(people):
            self.add(person, self.rooms[number % ROOMS])

    async def entered(self) -> None:
        deadline = time.monotonic() + ENTER_WITHIN
        while missing := [client.name for client in self.clients if not client.is_joined]:
            if time.monotonic() > deadline:
                self.fail(f"these never came in: {missing}")
                self.world.ask_what_hangs()
                return
            await asyncio.sleep(0.02)

    def fail(self, what: str) -> None:
        self.problems.append(Problem("rules", what))

    # -- load ---------------------------------------------------------------------------------

    def begin_load(self) -> None:
        self._loads = [
            asyncio.create_task(self._load(client))
            for client in self.clients
            if client not in self.extra
        ]

    async def end_load(self) -> None:
        for task in self._loads:
            task.cancel()
        if self._loads:
            await asyncio.wait(self._loads)

    async def _load(self, client: Client) -> None:
        while True:
            await asyncio.sleep(client.plan.random.expovariate(RATE))
            client.act()

    async def last_words(self) -> None:
        """Somebody says something in each room, and it is confirmed; nothing comes after it."""
        deadline = time.monotonic() + ENTER_WITHIN
        speakers = [
            self.random.choice([client for client in self.clients if client.room == room])
            for room in self.rooms
        ]
        for speaker in speakers:
            speaker.submit(speaker.plan.post())
        while any(client.waiting for client in self.clients):
            if time.monotonic() > deadline:
                self.fail("the last words were not confirmed")
                return
            await asyncio.sleep(0.02)

    def part(self, fraction: float) -> float:
        """Seconds that are this part of the load."""
        return self.seconds * fraction

    # -- the end ------------------------------------------------------------------------------

    async def agreed(self, patience: float) -> float | None:
        """Seconds until everybody is there, has every answer, and holds the room's last change."""
        began = time.monotonic()
        while (now := time.monotonic()) - began < patience:
            if self._is_settled() and await self._have_heads():
                return now - began
            await asyncio.sleep(0.05)
        return None

    def _is_settled(self) -> bool:
        cursors: dict[str, set[int | None]] = {}
        for client in self.clients:
            if not client.is_joined or client.waiting:
                return False
            cursors.setdefault(client.room, set()).add(client.log.cursor)
        return all(len(one) == 1 for one in cursors.values())

    async def _have_heads(self) -> bool:
        heads = {room: (await self._truth(room)).head for room in self.rooms}
        return all(client.log.cursor == heads[client.room] for client in self.clients)

    async def quiet(self) -> None:
        await asyncio.sleep(QUIET)

    async def examine(self, outcome: Outcome) -> None:
        """Hold every log against the database."""
        for room in self.rooms:
            truth = await self._truth(room)
            self.problems += check.check_database(truth) + check.check_revisions(truth)
            for client in self.clients:
                if client.room == room:
                    self.problems += check.check_client(client, truth)
        outcome.clients = len(self.clients)
        outcome.posts = sum(len(client.effects.posts) for client in self.clients)
        outcome.commands = sum(client.effects.confirmed for client in self.clients)
        outcome.returns = sum(len(client.closings) for client in self.clients)
        outcome.slowest = max(
            (client.slowest for client in self.clients if client not in self.extra), default=0.0
        )
        outcome.notes, outcome.problems = self.notes, self.problems
        resets = sum(len(client.log.resets) for client in self.clients)
        if resets:
            outcome.notes.append(f"{resets} resets")

    async def _truth(self, room: str) -> check.Truth:
        return await asyncio.to_thread(check.truth, self.world.database_url, room)

    async def close(self) -> None:
        await self.end_load()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(client.close() for client in self.clients))
