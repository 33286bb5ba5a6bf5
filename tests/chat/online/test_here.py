"""What a process makes of presence's state and changes, where some are late or cannot be read."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chat.live import bus
from chat.live.connection import Connection
from chat.live.connections import Connections
from chat.live.hub import Hub
from chat.live.notices import Notices
from chat.live.revocations import Revocations
from chat.online import here, names
from chat.online.here import Online
from chat.online.names import Names
from chat.protocol.changes import Person
from presence.store import State
from presence.tracker import Tracker
from tests.chat.online.test_audience import Client
from tests.support.sockets import PATIENCE

ROOM = 7


class Redis:
    """Stands for the tracker and its store."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.version = 100
        self.is_away = False
        self.reads = 0
        self.meanwhile: Callable[[], None] = lambda: None  # while a state is on its way
        self.leases: set[tuple[str, ...]] = set()
        self.left_at_once: list[bool] = []
        self.watched: set[str] = set()
        self.store = self

    async def state(self, scope: str) -> State:
        self.reads += 1
        state = State(frozenset(self.users), self.version)
        self.meanwhile()
        await asyncio.sleep(0.001)
        if self.is_away:
            raise OSError("away")
        return state

    async def enter(self, *lease: str) -> None:
        self.leases.add(lease)
        await asyncio.sleep(0.001)

    def leave(self, *lease: str, at_once: bool = False) -> None:
        if lease in self.leases:
            self.leases.remove(lease)
            self.left_at_once.append(at_once)

    def watch(self, scope: str) -> None:
        self.watched.add(scope)

    def unwatch(self, scope: str) -> None:
        self.watched.discard(scope)


class Visitor(Client):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.room_id = ROOM
        self.on_end: list[Callable[[Visitor], None]] = []
        self.user = Person(number, f"name {number}")
        self.name = f"tab {number}"
        self.is_invisible = False

    def leave(self) -> None:
        while self.on_end:
            self.on_end.pop()(self)

    def names(self) -> set[str]:
        return set(self.users.values())


class Room:
    def __init__(self) -> None:
        self.hub = Hub()
        self.redis = Redis()
        tracker = cast(Tracker, self.redis)
        self.names = Names(self.hub.mailbox)
        self.connections = Connections()
        self.online = Online(self.hub, self.connections, self.names, lambda *_: tracker)

    async def visit(self, number: int) -> Visitor:
        visitor = Visitor(number)
        connection = cast(Connection, visitor)
        await self.online.enter(connection)
        self.online.show(connection)
        return visitor

    async def settled(self) -> None:
        """Whatever is missing has been waited for, or read."""
        await until(lambda: not self.hub.flights)

    def hear(self, *versions: int) -> None:
        """In each somebody of that number came."""
        changes = [bus.Moved("joined", str(one), one, one - 100, f"name {one}") for one in versions]
        self.hub.mailbox.handle(bus.Presence(ROOM, changes))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    async def read(pks: list[int]) -> list[Person]:
        return [Person(pk, f"name {pk}") for pk in pks]

    monkeypatch.setattr(names, "query", lambda _: read)
    monkeypatch.setattr(here, "LATE", 0.05)
    settings.PRESENCE_GATHER_SECONDS = 0.01


def play(scene: Callable[[Room], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        await scene(Room())

    asyncio.run(go())


@pytest.mark.parametrize("by_a_newcomer", [False, True])
def test_whoever_came_while_redis_was_away_is_shown_all_when_it_is_back(
    by_a_newcomer: bool,
) -> None:
    async def scene(room: Room) -> None:
        room.redis.is_away = True
        first, second = await room.visit(1), await room.visit(2)
        assert second.names() == {"name 1", "name 2"}
        assert first.names() == {"name 1"}
        room.redis.is_away, room.redis.users = False, {"1", "2"}
        if by_a_newcomer:
            await room.visit(2)
        else:
            room.online.heard(str(ROOM), 100, 2)
        await until(lambda: first.names() == second.names() == {"name 1", "name 2"})
        room.hear(101)
        await until(lambda: first.names() == {"name 1", "name 2", "name 101"})

    play(scene)


def test_a_change_that_is_only_late_costs_no_reading() -> None:
    async def scene(room: Room) -> None:
        visitor = await room.visit(1)
        reads = room.redis.reads
        room.hear(102)
        room.hear(101, 103)
        await until(lambda: visitor.kinds() == [["state"], ["joined"] * 3])
        await room.settled()
        assert room.redis.reads == reads

    play(scene)


def test_a_change_that_is_lost_is_read_and_what_comes_meanwhile_is_kept() -> None:
    async def scene(room: Room) -> None:
        room.redis.users = {"1"}
        visitor = await room.visit(1)
        reads = room.redis.reads
        room.redis.users, room.redis.version = {"1", "101", "102"}, 102
        room.redis.meanwhile = lambda: room.hear(103)
        room.hear(102)
        await until(lambda: set(visitor.users) == {1, 101, 102, 103})
        assert visitor.version == 103
        await room.settled()
        assert room.redis.reads == reads + 1

    play(scene)


def test_what_was_lost_before_the_room_was_known_is_found_too() -> None:
    async def scene(room: Room) -> None:
        room.redis.meanwhile = lambda: room.hear(102)
        visitor = await room.visit(1)
        room.redis.meanwhile = lambda: None
        room.redis.users, room.redis.version = {"1", "101", "102"}, 102
        await until(lambda: set(visitor.users) == {1, 101, 102})

    play(scene)


def test_a_version_heard_late_is_asked_about_only_once() -> None:
    async def scene(room: Room) -> None:
        await room.visit(1)
        reads = room.redis.reads
        room.online.heard(str(ROOM), 99, 0)  # as it was before the first came
        await room.settled()
        assert room.redis.reads == reads + 1

    play(scene)


def test_a_room_that_redis_has_forgotten_shows_nobody() -> None:
    async def scene(room: Room) -> None:
        room.redis.users = {"1"}
        visitor = await room.visit(1)
        assert visitor.online == 1
        room.redis.users, room.redis.version = set(), 0
        room.online.heard(str(ROOM), 0, 0)
        await until(lambda: (visitor.users, visitor.online) == ({}, 0))

    play(scene)


@pytest.mark.parametrize("is_crowd", [False, True])
def test_where_redis_comes_back_with_older_data_everybody_sees_that_and_what_comes_after(
    is_crowd: bool, settings: Any
) -> None:
    settings.PRESENCE_COUNT_SECONDS = 0.01
    if is_crowd:
        settings.PRESENCE_LIST_MAX = settings.PRESENCE_SHOWN = 2

    async def scene(room: Room) -> None:
        room.redis.users = {"1", "2", "3", "4", "5"}
        visitor, newcomer = await room.visit(1), await room.visit(2)
        room.hear(101)
        await until(lambda: visitor.version == 101)
        newcomer = await room.visit(2)  # has been shown a version that will come again
        room.redis.users, room.redis.version = {"1", "2", "3"}, 90
        room.online.heard(str(ROOM), 90, 3)
        await until(lambda: visitor.version == newcomer.version == 90)
        await room.settled()
        room.redis.users.add("91")
        room.redis.version = 91
        room.hear(91)
        await until(lambda: visitor.version == newcomer.version == 91)
        for one in (visitor, newcomer):
            assert set(one.users) == ({1, 2} if is_crowd else {1, 2, 3, 91})

    play(scene)


def test_where_redis_has_gone_back_and_on_to_the_same_version_it_is_seen_by_the_number() -> None:
    async def scene(room: Room) -> None:
        room.redis.users = {"1"}
        visitor = await room.visit(1)
        room.redis.users = {"1", "2"}
        room.online.heard(str(ROOM), 100, 2)
        await until(lambda: (visitor.online, set(visitor.users)) == (2, {1, 2}))

    play(scene)


def test_the_highest_version_that_was_heard_of_is_read_though_a_lower_one_came_before() -> None:
    async def scene(room: Room) -> None:
        room.redis.users = {"1"}
        visitor = await room.visit(1)
        room.online.heard(str(ROOM), 101, 2)
        room.redis.users, room.redis.version = {"1", "2", "3"}, 102
        room.online.heard(str(ROOM), 102, 3)
        room.hear(101)  # is enough for the first
        await until(lambda: visitor.version == 102)

    play(scene)


def test_a_name_that_another_process_still_has_replaces_no_newer_one() -> None:
    async def scene(room: Room) -> None:
        visitor = await room.visit(1)
        room.names.remember(Person(101, "Dora Maar"))
        room.hear(101)
        await until(lambda: visitor.names() == {"Dora Maar"})

    play(scene)


def test_somebodys_new_name_is_shown_to_all_though_nobody_came_or_went() -> None:
    async def scene(room: Room) -> None:
        room.redis.users = {"1", "2"}
        first, second = await room.visit(1), await room.visit(2)
        room.names.remember(Person(2, "Dora Maar"))
        third = await room.visit(1)
        wanted = {"name 1", "Dora Maar"}
        await until(lambda: first.names() == second.names() == third.names() == wanted)

    play(scene)


# -- leases -----------------------------------------------------------------------------------


def test_who_turns_invisible_in_the_moment_of_turning_visible_is_not_seen() -> None:
    async def scene(room: Room) -> None:
        visitor = await room.visit(1)
        connection = cast(Connection, visitor)
        room.online.set_visibility(connection, True)
        assert room.redis.leases == set()
        for invisible in (False, True):
            room.online.set_visibility(connection, invisible)
        await until(lambda: len(room.redis.left_at_once) == 4)
        assert room.redis.leases == set()
        assert all(room.redis.left_at_once), "no grace shows who chose not to be seen"

    play(scene)


def test_who_is_said_to_be_invisible_is_hidden_at_once_and_shown_by_the_database_alone() -> None:
    """A renewal while it is asked would show them again; and of two changes the later may be told
    first."""

    async def scene(room: Room) -> None:
        visitor = await room.visit(1)
        connection = cast(Connection, visitor)
        room.connections.add(connection)
        asked: list[Connection] = []
        revocations = cast(Revocations, SimpleNamespace(check_soon=asked.append))
        Notices(room.hub, room.connections, revocations)
        room.hub.mailbox.handle(bus.UserChanged(1, invisible=True))
        await asyncio.sleep(0)
        assert (room.redis.leases, room.redis.left_at_once) == (set(), [True, True])
        for _ in range(2):
            room.hub.mailbox.handle(bus.UserChanged(1))
            await asyncio.sleep(0)
            assert visitor.is_invisible
        assert asked == [connection] * 3

    play(scene)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_who_turns_invisible_while_coming_in_is_not_seen(turns: int) -> None:
    async def scene(room: Room) -> None:
        visitor = Visitor(1)
        connection = cast(Connection, visitor)
        entering = asyncio.create_task(room.online.enter(connection))
        for _ in range(turns):  # of the loop
            await asyncio.sleep(0)
        room.online.set_visibility(connection, True)
        await entering
        assert room.redis.leases == set()

    play(scene)


def test_who_leaves_while_coming_in_leaves_no_lease() -> None:
    async def scene(room: Room) -> None:
        visitor = Visitor(1)
        connection = cast(Connection, visitor)
        entering = asyncio.create_task(room.online.enter(connection))
        await asyncio.sleep(0)
        visitor.is_closing = True
        visitor.leave()
        await entering
        assert room.redis.leases == set()
        assert not any(room.redis.left_at_once), "a reload has the grace"

    play(scene)


def test_a_room_is_watched_until_the_last_has_left() -> None:
    async def scene(room: Room) -> None:
        visitors = [await room.visit(1), await room.visit(2)]
        for visitor in visitors:
            assert room.redis.watched == {str(ROOM)}
            visitor.leave()
        assert room.redis.watched == set()

    play(scene)


def test_a_socket_that_has_closed_takes_no_lease_for_turning_visible() -> None:
    async def scene(room: Room) -> None:
        visitor = await room.visit(1)
        connection = cast(Connection, visitor)
        room.online.set_visibility(connection, True)
        visitor.is_closing = True
        room.online.set_visibility(connection, False)
        visitor.leave()
        assert room.redis.leases == set()
        assert len(room.redis.left_at_once) == 2, "those of the room and of the site, given back"

    play(scene)
