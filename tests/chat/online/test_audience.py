"""What those who watch a room are told of who is there, in a time that nobody waits for."""

import asyncio
import json
import random
import selectors
from collections.abc import Callable, Coroutine, Iterable
from itertools import pairwise
from typing import Any, NamedTuple, cast

import pytest
from django.conf import settings as django_settings
from django.db import Error as DatabaseError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from chat.live.connection import Connection
from chat.live.outbox import Parcel
from chat.online.audience import Audience
from chat.online.names import Names
from chat.protocol.changes import Person
from presence.roster import Roster
from presence.store import Movement, State

Frame = dict[str, Any]


# -- time -------------------------------------------------------------------------------------


class Leap(selectors.DefaultSelector):
    """Where the loop would wait, the time has come."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing would ever happen"
        self.now += max(timeout, 0)
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


def run(work: Coroutine[Any, Any, None]) -> None:
    failed: list[Any] = []
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: failed.append(context))
        runner.run(work)
    assert not failed


def now() -> float:
    return asyncio.get_running_loop().time()


# -- the room ---------------------------------------------------------------------------------


class Client:
    """Follows the rules of chat/PROTOCOL.md, and keeps what it was sent."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, list[Frame]]] = []
        self.bytes = 0
        self.users: dict[int, str] = {}
        self.online = 0
        self.version: int | None = None
        self.more = False
        self.asks = 0
        self.is_full = False
        self.is_closing = False
        self.audience: Audience | None = None

    # what an Audience wants of a connection

    def push(self, parcel: Parcel) -> None:
        if self.is_full:
            self.is_closing = True
            if self.audience is not None:  # a moment later, as the consumer does
                leave = self.audience.leave
                asyncio.get_running_loop().call_soon(leave, cast(Connection, self))
            return
        payloads = parcel.payloads(lines=True)
        assert len(payloads) == 1, "one frame"
        self.bytes += len(payloads[0])
        objects = [json.loads(line) for line in payloads[0].split(b"\n")]
        self.frames.append((now(), objects))
        for one in objects:
            self.receive(one)

    def push_one(self, payload: bytes) -> None:
        self.push(Parcel([payload]))

    # the protocol

    def receive(self, frame: Frame) -> None:
        match frame["type"]:
            case "presence.state":
                assert len({user["id"] for user in frame["users"]}) == len(frame["users"])
                self.users = {user["id"]: user["name"] for user in frame["users"]}
                self.more = frame.get("more", False)
            case "presence.count":
                assert self.more, "a count is for those who know of a crowd"
                assert self.version is not None
                if frame["version"] <= self.version:
                    return
                for user in frame.get("joined", ()):
                    assert user["id"] not in self.users
                    self.users[user["id"]] = user["name"]
                for user in frame.get("left", ()):
                    del self.users[user["id"]]
            case "presence.joined" | "presence.left":
                assert not self.more, "in a crowd nobody is told"
                assert self.version is not None
                if frame["version"] <= self.version:
                    return
                if frame["version"] > self.version + 1:
                    self.asks += 1
                    return
                if frame["type"] == "presence.joined":
                    self.users[frame["user"]["id"]] = frame["user"]["name"]
                else:
                    del self.users[frame["user"]["id"]]
        if frame["type"] != "presence.state":  # which may say that Redis has lost the newest ones
            assert self.version is None or frame["version"] >= self.version
        self.version, self.online = frame["version"], frame["online"]

    def kinds(self) -> list[list[str]]:
        return [[one["type"].removeprefix("presence.") for one in each] for _, each in self.frames]

    def shows(self) -> tuple[dict[int, str], int, int | None]:
        return dict(sorted(self.users.items())), self.online, self.version


class Process:
    """One process's view of the room, with those who watch there, as chat/online/here.py has it."""

    def __init__(self, room: "Room") -> None:
        self.room = room
        self.roster = Roster()
        self.roster.reset(State(frozenset(room.users), room.version))
        self.unnamed: set[str] = set()
        self.fails = 0
        self.audience = Audience(self.roster, cast(Names, self))
        self.clients: list[Client] = []
        self.recovering = False

    def watch(self) -> Client:
        client = Client()
        client.audience = self.audience
        self.clients.append(client)
        self.show(client)
        return client

    def show(self, client: Client) -> None:
        assert self.audience.shown is not None  # whose names are needed; nothing may come of it
        self.audience.show(cast(Connection, client))

    def unwatch(self, client: Client) -> None:
        self.clients.remove(client)
        client.is_closing = True
        self.audience.leave(cast(Connection, client))

    def hear(self, changes: list[Movement]) -> None:
        applied, hole = self.roster.apply(changes)
        if applied:
            self.audience.tell(applied)
        if hole and not self.recovering:
            self.recovering = True
            asyncio.get_running_loop().call_later(0.2, self.recover)

    def recover(self) -> None:
        self.recovering = False
        self.roster.hear(self.room.version, len(self.room.users))
        if self.roster.misses:
            self.roster.reset(State(frozenset(self.room.users), self.room.version))
            self.audience.show_all()

    def known(self, user: int) -> Person | None:
        return None if str(user) in self.unnamed else Person(user, f"name {user}")

    async def learn(self, users: Iterable[int]) -> None:
        await asyncio.sleep(0.1)
        if self.fails:
            self.fails -= 1
            raise DatabaseError("away")
        self.unnamed.difference_update(map(str, users))


class Room:
    """Who is really there; changes reach each process at once, late, or (0) never."""

    def __init__(self, processes: int = 1, people: int = 0) -> None:
        self.users = {str(n) for n in range(1, people + 1)}
        self.version = 1_000
        self.processes = [Process(self) for _ in range(processes)]

    def change(self, kind: str, *users: int) -> list[Movement]:
        changes = []
        for user in map(str, users):
            self.users ^= {user}
            assert (user in self.users) == (kind == "joined")
            self.version += 1
            changes.append(Movement(kind, user, self.version, len(self.users)))
        return changes

    def join(self, *users: int) -> None:
        self.tell(self.change("joined", *users))

    def leave(self, *users: int) -> None:
        self.tell(self.change("left", *users))

    def tell(self, changes: list[Movement]) -> None:
        for process in self.processes:
            process.hear(changes)

    def truth(self) -> tuple[dict[int, str], int, int]:
        shown = sorted(map(int, self.users))
        if len(shown) > django_settings.PRESENCE_LIST_MAX:
            shown = shown[: django_settings.PRESENCE_SHOWN]
        return {user: f"name {user}" for user in shown}, len(self.users), self.version


@pytest.fixture
def small(settings: Settings) -> None:
    settings.PRESENCE_LIST_MAX, settings.PRESENCE_SHOWN = 10, 4


# -- a room where everybody is named ----------------------------------------------------------


def test_changes_of_a_quarter_second_leave_as_one_frame() -> None:
    async def go() -> None:
        room = Room()
        watchers = [room.processes[0].watch() for _ in range(3)]
        for user in range(1, 6):
            room.join(user)
            await asyncio.sleep(0.04)
        room.leave(3)
        assert [one.kinds() for one in watchers] == [[["state"]]] * 3
        await asyncio.sleep(0.06)
        for one in watchers:
            assert one.kinds() == [["state"], ["joined"] * 5 + ["left"]]
            assert one.shows() == room.truth()
        room.leave(1)
        await asyncio.sleep(0.3)
        assert watchers[0].kinds()[2:] == [["left"]]

    run(go())


def test_newcomers_get_what_their_state_lacks_and_nothing_else() -> None:
    async def go() -> None:
        room = Room()
        process = room.processes[0]
        room.join(1)
        early = process.watch()
        room.join(2)
        late = process.watch()
        await asyncio.sleep(0.3)
        assert early.kinds() == [["state"], ["joined"]]
        assert late.kinds() == [["state"]]
        room.join(3)
        await asyncio.sleep(0.3)
        for one in (early, late):
            assert one.kinds()[-1] == ["joined"]
            assert one.shows() == room.truth()

    run(go())


def test_who_asks_again_is_shown_no_change_twice() -> None:
    async def go() -> None:
        room = Room()
        process = room.processes[0]
        client = process.watch()
        room.join(1)
        process.show(client)
        await asyncio.sleep(0.3)
        assert client.kinds() == [["state"], ["state"]]
        assert client.shows() == room.truth()

    run(go())


def test_who_left_is_told_nothing() -> None:
    async def go() -> None:
        room = Room()
        client = room.processes[0].watch()
        room.join(1)
        room.processes[0].unwatch(client)
        await asyncio.sleep(0.3)
        assert client.kinds() == [["state"]]

    run(go())


@pytest.mark.parametrize("is_new", [True, False])
def test_one_who_does_not_read_is_closed_alone(is_new: bool) -> None:
    async def go() -> None:
        room = Room()
        process = room.processes[0]
        stuck, free = process.watch(), process.watch()
        if not is_new:
            room.join(1)
            await asyncio.sleep(0.3)
        stuck.is_full = True
        room.join(2)
        await asyncio.sleep(0.3)
        assert stuck.is_closing
        assert cast(Connection, stuck) not in process.audience
        room.join(3)
        await asyncio.sleep(0.3)
        assert free.shows() == room.truth()
        assert not free.is_closing

    run(go())


def test_after_a_loss_everybody_begins_again_once() -> None:
    async def go() -> None:
        room = Room()
        client = room.processes[0].watch()
        lost = room.change("joined", 1)
        room.join(2)
        assert lost
        await asyncio.sleep(1)
        assert client.kinds() == [["state"], ["state"]]
        assert client.shows() == room.truth()

    run(go())


def test_what_a_fresh_state_has_is_not_told_after_it() -> None:
    async def go() -> None:
        room = Room()
        client = room.processes[0].watch()
        room.join(1)
        room.processes[0].audience.show_all()
        await asyncio.sleep(1)
        assert client.kinds() == [["state"], ["state"]]

    run(go())


def test_what_is_told_waits_until_everybody_in_it_has_a_name() -> None:
    """Who ends a dead process's leases may never have heard of its people."""

    async def go() -> None:
        room = Room(people=2)
        process = room.processes[0]
        watcher = process.watch()
        process.unnamed |= {"1", "3"}
        room.leave(1)
        room.join(3)
        await asyncio.sleep(0.3)
        assert watcher.kinds() == [["state"]]
        await asyncio.sleep(0.1)
        assert watcher.kinds() == [["state"], ["left", "joined"]]
        assert watcher.shows() == room.truth()
        assert watcher.frames[1][1][0]["user"]["name"] == "name 1"

    run(go())


def test_a_newcomer_is_shown_the_unnamed_in_a_moment() -> None:
    async def go() -> None:
        room = Room(people=2)
        process = room.processes[0]
        process.unnamed.add("2")
        newcomer = process.watch()
        assert newcomer.users == {1: "name 1"}
        await asyncio.sleep(0.4)
        assert newcomer.kinds() == [["state"], ["state"]]
        assert newcomer.shows() == room.truth()

    run(go())


def test_names_that_cannot_be_read_are_asked_for_again() -> None:
    async def go() -> None:
        room = Room()
        process = room.processes[0]
        watcher = process.watch()
        process.unnamed.add("1")
        process.fails = 2
        room.join(1)
        await asyncio.sleep(2)
        assert watcher.kinds() == [["state"]]
        await asyncio.sleep(1)
        assert watcher.shows() == room.truth()

    run(go())


def test_who_was_shown_something_else_meanwhile_is_shown_what_is() -> None:
    """Redis did not answer when they came."""

    async def go() -> None:
        room = Room(people=3)
        process = room.processes[0]
        early = Client()
        process.clients.append(early)
        process.audience.show_later(cast(Connection, early))
        late = process.watch()
        process.audience.show_all()
        await asyncio.sleep(0.3)
        for one in (early, late):
            assert one.shows() == room.truth()

    run(go())


# -- a crowd ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_a_crowd_is_its_first_and_a_count_at_most_once_a_second() -> None:
    async def go() -> None:
        room = Room(people=20)
        client = room.processes[0].watch()
        assert client.shows() == room.truth()
        assert (sorted(client.users), client.more) == ([1, 2, 3, 4], True)
        for user in range(100, 200):
            room.join(user)
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.1)
        counts = client.frames[1:]
        assert {len(each) for _, each in counts} == {1}
        assert {each[0]["type"] for _, each in counts} == {"presence.count"}
        times = [at for at, _ in counts]
        assert all(after - before > 0.999 for before, after in pairwise(times))
        assert 8 <= len(counts) <= 11
        assert all(each[0].keys() == {"type", "online", "version"} for _, each in counts)
        assert client.shows() == room.truth()

    run(go())


@pytest.mark.usefixtures("small")
def test_a_count_names_who_came_to_the_first_or_went_from_them() -> None:
    async def go() -> None:
        room = Room()
        room.join(*range(5, 25))
        client = room.processes[0].watch()
        assert sorted(client.users) == [5, 6, 7, 8]
        room.join(1)
        room.leave(6)
        await asyncio.sleep(1.1)
        (count,) = client.frames[-1][1]
        assert [user["id"] for user in count["joined"]] == [1]
        assert [user["id"] for user in count["left"]] == [6]
        room.leave(5, 7)
        await asyncio.sleep(1.1)
        assert [user["id"] for user in client.frames[-1][1][0]["joined"]] == [9, 10]
        assert client.shows() == room.truth()

    run(go())


@pytest.mark.usefixtures("small")
def test_the_first_are_the_same_in_every_process_whoever_came_when() -> None:
    async def go() -> None:
        room = Room(processes=3)
        ids = [2, 9, 10, 100, 31, 4, 77, 8, 1_000, 55, 21, 6, 3]  # 10 after 9, not after 1
        for n, process in enumerate(room.processes):
            one = process.roster
            one.users = {}
            for user in random.Random(n).sample(ids, len(ids)):
                one.users[str(user)] = None
        room.users = set(map(str, ids))
        shown = [process.watch().users for process in room.processes]
        assert [sorted(each) for each in shown] == [[2, 3, 4, 6]] * 3

    run(go())


@pytest.mark.usefixtures("small")
def test_into_a_crowd_and_out_of_it_everybody_gets_a_fresh_state() -> None:
    async def go() -> None:
        room = Room(people=9)
        watchers = [room.processes[0].watch() for _ in range(2)]
        room.join(50, 51, 52)
        await asyncio.sleep(0.3)
        for one in watchers:
            assert one.kinds() == [["state"], ["state"]]
            assert one.more
            assert one.shows() == room.truth()
        room.leave(50, 51)
        await asyncio.sleep(1.1)
        for one in watchers:
            assert one.kinds() == [["state"]] * 3
            assert not one.more
            assert one.shows() == room.truth()
        room.join(60)
        await asyncio.sleep(0.3)
        assert watchers[0].kinds()[3:] == [["state"]]  # 11 again

    run(go())


@pytest.mark.usefixtures("small")
def test_who_makes_it_a_crowd_does_not_leave_the_others_with_a_list() -> None:
    """The newcomer's state comes before what the others are told of it."""

    async def go() -> None:
        room = Room(people=10)
        watcher = room.processes[0].watch()
        room.join(11)
        newcomer = room.processes[0].watch()
        await asyncio.sleep(1.2)
        for one in (watcher, newcomer):
            assert one.more
            assert one.shows() == room.truth()

    run(go())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("people", [20, 11])
def test_who_is_named_now_in_a_crowd_or_what_was_one_has_a_name(people: int) -> None:
    async def go() -> None:
        room = Room(people=people)
        process = room.processes[0]
        client = process.watch()
        process.unnamed |= {"5", "7"}
        room.leave(1)
        await asyncio.sleep(1.2)
        assert len(client.frames) == 2
        assert client.shows() == room.truth()

    run(go())


@pytest.mark.usefixtures("small")
def test_a_crowd_in_which_much_is_lost_is_told_no_more_often() -> None:
    async def go() -> None:
        room = Room(people=20)
        client = room.processes[0].watch()
        for user in range(100, 200, 2):
            room.change("joined", user)  # lost
            room.join(user + 1)
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.1)
        assert client.shows() == room.truth()
        assert client.kinds() == [["state"]] + [["count"]] * (len(client.frames) - 1)
        assert all(after - before > 0.999 for (before, _), (after, _) in pairwise(client.frames))

    run(go())


@pytest.mark.usefixtures("small")
def test_who_comes_while_it_is_no_crowd_for_a_moment_is_told_of_it() -> None:
    async def go() -> None:
        room = Room(people=11)
        watcher = room.processes[0].watch()
        room.leave(11)
        newcomer = room.processes[0].watch()
        room.join(11)
        await asyncio.sleep(1.2)
        for one in (watcher, newcomer):
            assert one.more
            assert one.shows() == room.truth()

    run(go())


@pytest.mark.usefixtures("small")
def test_who_comes_alone_where_a_crowd_was_sees_what_is() -> None:
    async def go() -> None:
        room = Room(people=11)
        process = room.processes[0]
        process.unwatch(process.watch())
        room.leave(11)
        newcomer = process.watch()
        assert not newcomer.more
        room.join(11, 12)
        await asyncio.sleep(1.2)
        assert newcomer.shows() == room.truth()

    run(go())


# -- whatever happens -------------------------------------------------------------------------


class Step(NamedTuple):
    what: str
    process: int
    number: int
    wait: float
    late: tuple[float | None, ...]  # by process: seconds, or None where it is lost


STEPS = st.builds(
    Step,
    st.sampled_from(["toggle"] * 5 + ["toggle many", "watch", "watch", "unwatch", "ask"]),
    st.integers(0, 2),
    st.integers(0, 99),
    st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.25, 1.0]),
    st.tuples(*[st.sampled_from([0.0, 0.0, 0.0, 0.03, 0.15, None])] * 3),
)


@pytest.mark.usefixtures("small")
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEPS, max_size=50), st.integers(0, 14))
def test_watchers_who_were_quiet_for_a_second_show_the_same(steps: list[Step], people: int) -> None:
    async def go() -> None:
        room = Room(processes=3, people=people)
        clients = [process.watch() for process in room.processes]
        for step in steps:
            take(room, step)
            await asyncio.sleep(step.wait)
        # The last change may be lost with nothing after it; a renewal tells of that.
        await asyncio.sleep(0.4)
        for process in room.processes:
            process.recover()
        await asyncio.sleep(1.1)
        for process in room.processes:
            for client in process.clients:
                assert client.shows() == room.truth()
                assert client.asks == 0, "the server left a hole"
        assert clients

    run(go())


def take(room: Room, step: Step) -> None:
    process = room.processes[step.process]
    match step.what:
        case "toggle" | "toggle many":
            count = 1 if step.what == "toggle" else 1 + step.number % 8
            users = {1 + (step.number + n * 7) % 20 for n in range(count)}
            gone = [user for user in users if str(user) in room.users]
            changes = room.change("left", *gone) + room.change("joined", *users.difference(gone))
            for one, late in zip(room.processes, step.late, strict=True):
                if late is not None:
                    later(late, one.hear, changes)
        case "watch":
            process.watch()
        case "unwatch" if process.clients:
            process.unwatch(process.clients[step.number % len(process.clients)])
        case "ask" if process.clients:
            process.show(process.clients[step.number % len(process.clients)])


def later(seconds: float, call: Callable[[list[Movement]], None], changes: list[Movement]) -> None:
    if seconds:
        asyncio.get_running_loop().call_later(seconds, call, changes)
    else:
        call(changes)


# -- what it costs ----------------------------------------------------------------------------


def bytes_of_a_storm(people: int) -> int:
    """Everybody comes within ten seconds, in any order, and stays to see it."""
    sent = 0

    async def go() -> None:
        nonlocal sent
        room = Room()
        ids = random.Random(people).sample(range(1, people + 1), people)
        for user in ids:
            room.join(user)
            room.processes[0].watch()
            await asyncio.sleep(10 / people)
        await asyncio.sleep(2.1)
        assert all(one.shows() == room.truth() for one in room.processes[0].clients)
        sent = sum(one.bytes for one in room.processes[0].clients)

    run(go())
    return sent


def test_the_bytes_of_a_storm_grow_with_the_people_and_not_with_their_square(
    settings: Settings,
) -> None:
    settings.PRESENCE_LIST_MAX, settings.PRESENCE_SHOWN = 50, 20
    few, many, most = (bytes_of_a_storm(people) for people in (150, 300, 600))
    # twice the people: twice the bytes, not four times
    assert many < few * 2.6
    assert most < many * 2.6
