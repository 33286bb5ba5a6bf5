"""People in one room, what each of their tabs is shown of who is there, and beside it the truth."""

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from redis import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.clients import Person
from tests.faults.log import Problem
from tests.faults.stage import Outcome
from tests.faults.world import World

Frame = dict[str, Any]

KNOWN_AFTER = 2.0  # seconds after which everybody must know of a tab that is open
QUIET = 1.0  # seconds after all agree, in which a late doubt would still come
REACTION = 3.0  # seconds from Redis's knowing something to everybody's seeing it, on a busy machine


class Tab:
    """A connection of one person that comes back when it is cut, as long as it `returns`.

    It follows `presence.*` by the rules of chat/PROTOCOL.md.
    """

    def __init__(self, crowd: "Crowd", person: Person, process: int) -> None:
        self.person = person
        self.process = process
        self.returns = True
        self.joined_at: float | None = None  # None: it is not in the room now
        self.users: set[int] = set()
        self._version: int | None = None
        self._crowd = crowd
        self._retry_after: float | None = None
        self._socket: ClientConnection | None = None
        self._task = asyncio.create_task(self._run())

    @property
    def is_settled(self) -> bool:
        return self.joined_at is not None or self._task.done()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def cut(self) -> None:
        """Be gone without a word (RST), and not come back."""
        self.returns = False
        if self._socket is None:
            self._task.cancel()  # still on its way in
        else:
            tcp: socket.socket = self._socket.transport.get_extra_info("socket")
            with suppress(OSError):
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._socket.transport.abort()

    async def _run(self) -> None:
        while True:
            with suppress(OSError, WebSocketException, EOFError):
                await self._visit()
            if not self.returns:
                return
            after, self._retry_after = self._retry_after, None
            await asyncio.sleep(self._crowd.random.uniform(0.05, 0.5) if after is None else after)
            self.process = self._crowd.random.choice(self._crowd.world.running)

    async def _visit(self) -> None:
        self._version = None
        async with connect(
            f"{self._crowd.world.addresses[self.process]}/ws/chat/{self._crowd.room}/",
            additional_headers={"Cookie": self.person.cookie},
            subprotocols=["chat.v1"],  # type: ignore[list-item]
            compression=None,
            proxy=None,
            open_timeout=10,
            close_timeout=1,
            ping_interval=None,
        ) as connection:
            self._socket = connection
            self._crowd.visits += 1
            try:
                async for payload in connection:
                    for line in str(payload).split("\n"):
                        await self._take(json.loads(line))
            finally:
                self.joined_at = self._socket = None

    async def _take(self, frame: Frame) -> None:
        self._crowd.told += frame["type"].startswith("presence.")
        match frame["type"]:
            case "chat.history":
                self._crowd.room_pk = frame["room"]["id"]
            case "error":
                self._retry_after = frame.get("retry_after")
            case "presence.state":
                self.users = {user["id"] for user in frame["users"]}
                self._version = frame["version"]
                self.joined_at = self.joined_at or time.monotonic()
            case "presence.joined" | "presence.left":
                await self._change(frame["type"][9:], frame["user"]["id"], frame["version"])

    async def _change(self, kind: str, user: int, version: int) -> None:
        self._crowd.announced(kind, user, version)
        if self._version is None or version <= self._version:
            return
        if version != self._version + 1:
            assert self._socket is not None
            await self._socket.send('{"type": "presence.get"}')
            return
        self._version = version
        if (kind == "joined") == (user in self.users):
            self._crowd.complain("doubled", f"{user} {kind}, as {self.person.id} knew, {version}")
        if kind == "joined":
            self.users.add(user)
        else:
            self.users.discard(user)


class Crowd:
    """What the faults of presence play on. `lease`, `renew` and `grace` are the processes' own."""

    def __init__(
        self, world: World, name: str, seed: str, *, seconds: float, patience: float
    ) -> None:
        self.world = world
        self.room = name
        self.random = random.Random(seed)
        self.seconds = seconds
        self.patience = patience
        self.lease, self.renew, self.grace = world.presence
        self.tabs: list[Tab] = []
        self.opened = self.visits = 0  # tabs, and connections of theirs
        self.told = 0  # frames of presence
        self.notes: list[str] = []
        self.problems: list[Problem] = []
        self.agree: float | None = None
        self.room_pk = 0  # as the server says
        self._announced: dict[int, tuple[str, int]] = {}

    def complain(self, kind: str, what: str) -> None:
        self.problems.append(Problem(kind, what))

    # -- people -------------------------------------------------------------------------------

    def open(self, person: Person, process: int) -> Tab:
        self.opened += 1
        tab = Tab(self, person, process)
        self.tabs.append(tab)
        return tab

    async def close(self, tab: Tab) -> None:
        self.tabs.remove(tab)
        await tab.close()

    def cut(self, tab: Tab) -> None:
        self.tabs.remove(tab)
        tab.cut()

    async def enter(self, people: Iterable[Person], processes: Sequence[int]) -> list[Tab]:
        """A tab each, over those processes in turn; returns once everybody sees everybody."""
        tabs = [self.open(person, processes[n % len(processes)]) for n, person in enumerate(people)]
        if await self.agreement(self.patience) is None:
            self.complain("rules", "they did not come in")
        return tabs

    @property
    def present(self) -> set[int]:
        return {tab.person.id for tab in self.tabs if tab.joined_at is not None}

    # -- what is announced --------------------------------------------------------------------

    def announced(self, kind: str, user: int, version: int) -> None:
        """A tab was told. The same version must say the same to all."""
        if self._announced.setdefault(version, (kind, user)) != (kind, user):
            self.complain("differing", f"{version} is {self._announced[version]}, {kind} {user}")
        if kind == "left" and self._is_surely_here(user):
            self.complain("missing", f"{user} was said to have left, with a tab open")

    def _is_surely_here(self, user: int) -> bool:
        long_ago = time.monotonic() - KNOWN_AFTER
        return any(
            tab.joined_at is not None and tab.joined_at < long_ago
            for tab in self.tabs
            if tab.person.id == user
        )

    def mark(self) -> int:
        return max(self._announced, default=0)

    def since(self, mark: int) -> Counter[tuple[str, int]]:
        """How often each coming and going was announced after `mark`."""
        return Counter(what for version, what in self._announced.items() if version > mark)

    def check_stayed(self, mark: int, users: set[int]) -> None:
        """Nobody was told after `mark` that one of these had left."""
        if gone := {user for kind, user in self.since(mark) if kind == "left"} & users:
            self.complain("missing", f"these stayed, and were said to have left: {sorted(gone)}")

    # -- the end ------------------------------------------------------------------------------

    async def heals(self, within: float) -> None:
        """See that within so many seconds every tab and Redis show those who are here."""
        self.agree = await self.agreement(within)
        if self.agree is None:
            self._name_differences()
        await asyncio.sleep(QUIET)
        if self.agree is not None and not self._agree():
            self._name_differences()

    async def agreement(self, patience: float) -> float | None:
        began = time.monotonic()
        while (took := time.monotonic() - began) < patience:
            if self._agree() and self.present == await asyncio.to_thread(self._in_redis):
                return took
            await asyncio.sleep(0.05)
        return None

    def _agree(self) -> bool:
        present = self.present
        return all(tab.is_settled for tab in self.tabs) and all(
            tab.users == present for tab in self.tabs if tab.joined_at is not None
        )

    def _in_redis(self) -> set[int]:
        with Redis.from_url(self.world.redis_url, socket_timeout=15) as redis:
            # one chat has this Redis; what its names begin with is its own affair
            names: Any = redis.keys(f"*presence:{{{self.room_pk}}}:users")
            return {int(user) for name in names for user in redis.smembers(name)}  # type: ignore[union-attr]

    def _name_differences(self) -> None:
        present = self.present
        views = [tab.users for tab in self.tabs if tab.joined_at is not None]
        for ghost in set().union(*views) - present:
            self.complain("ghosts", f"{ghost} is shown, and is not here")
        for user in present:
            if not all(user in view for view in views):
                self.complain("missing", f"{user} is here, and is not shown to everybody")
        if unsettled := [tab.person.id for tab in self.tabs if not tab.is_settled]:
            self.complain("rules", f"these did not come back: {unsettled}")

    def examine(self, outcome: Outcome) -> None:
        self._check_order()
        outcome.clients = self.opened
        outcome.returns = max(0, self.visits - self.opened)
        outcome.posts = self.told
        outcome.agree = self.agree
        outcome.notes, outcome.problems = self.notes, self.problems

    def _check_order(self) -> None:
        """Of one person, comings and goings come in turns, as long as no version is missing."""
        last: dict[int, str] = {}
        before = None
        for version, (kind, user) in sorted(self._announced.items()):
            if before is not None and version != before + 1:
                last.clear()
            if last.get(user) == kind:
                self.complain("doubled", f"{user} {kind} twice, again with {version}")
            last[user] = kind
            before = version

    async def leave(self) -> None:
        await asyncio.gather(*(tab.close() for tab in self.tabs))
