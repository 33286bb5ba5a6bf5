"""One process's fan-out on the real channel layer: what Redis loses is found in PostgreSQL."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier, Event
from typing import Any
from uuid import UUID

import pytest
import redis
from channels.layers import get_channel_layer
from django.db import OperationalError, connection
from pytest_django import Settings

from chat.factories import MessageFactory, RoomFactory, UserFactory
from chat.live import bus, hub, mailbox, queries, repairs
from chat.live.feed import Feed
from chat.live.hub import Hub
from chat.live.mailbox import Mailbox
from chat.live.repairs import Repairs
from chat.log import apply, history
from chat.log.write import Write
from chat.models import Message, Room
from chat.protocol.changes import POSTED, Change, MessageState, Person, change_of
from chat.protocol.commands import React
from core import tasks
from core.redis import installation
from core.redis.layers import CHAT
from tests.chat.live.test_feed import Reader
from tests.support.sockets import PATIENCE

pytestmark = pytest.mark.usefixtures("transactional_db", "clean_redis")

AT = datetime(2026, 11, 22, tzinfo=UTC)
Scenario = Callable[[Hub, Hub], Awaitable[None]]


class Newer(bus.Message, tag="from.a.newer.version"):
    pass


class Follower(Reader):
    """A connection as the hub sees it."""

    is_plain = False

    def __init__(self, room: Room) -> None:
        super().__init__()
        self.room_id = room.pk
        self.on_end: list[Callable[[Follower], None]] = []

    def send_history(self, states: list[bytes], *, head: int, more: bool, mode: str) -> None:
        self.show(states, mode, head)

    def leave(self) -> None:
        while self.on_end:
            self.on_end.pop()(self)


@pytest.fixture
def room() -> Room:
    return RoomFactory()


@pytest.fixture(autouse=True)
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads that read, and that let go of the database when the test is over."""
    number = 4
    with ThreadPoolExecutor(number) as executor:
        monkeypatch.setattr(queries.readers, "executor", executor)
        yield
        threads = Barrier(number)  # each of them does it once

        def let_go() -> None:
            threads.wait()
            connection.close()

        for _ in range(number):
            executor.submit(let_go)


@pytest.fixture
def slow_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads are compared when the test says so."""
    monkeypatch.setattr(Repairs, "_compare_for_ever", _never)


async def _never(self: Repairs) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The reads of the log that reach PostgreSQL, by name."""
    made: list[str] = []
    for name in ("page", "since"):
        real = getattr(history, name)

        def counted(*args: Any, real: Any = real, name: str = name, **options: Any) -> Any:
            made.append(name)
            time.sleep(0.05)  # a moment for others to come in the meantime
            return real(*args, **options)

        monkeypatch.setattr(history, name, counted)
    return made


def run(scenario: Scenario) -> None:
    """Run `scenario` with the hubs of two processes."""

    async def with_hubs() -> None:
        hubs = Hub(), Hub()
        try:
            async with asyncio.timeout(60):
                await scenario(*hubs)
        finally:
            for each in hubs:
                each.close()
            await get_channel_layer(CHAT).flush()
            await asyncio.sleep(0.05)

    asyncio.run(with_hubs())


async def come(to: Hub, room: Room) -> Follower:
    follower = Follower(room)
    feed = await to.follow(follower)  # type: ignore[arg-type]
    follower.show_page(feed, "page")
    follower.feed = feed
    to.join(feed, follower)  # type: ignore[arg-type]
    return follower


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def heard(one: Hub, other: Hub) -> None:
    """Wait until both processes know of each other."""
    await eventually(lambda: not one.mailbox.is_alone and not other.mailbox.is_alone)


async def commit(room: Room, count: int = 1) -> list[Change]:
    """Messages that somebody commits, and has not published yet."""

    def write() -> list[Change]:
        pks = [MessageFactory(room=Room.objects.get(pk=room.pk)).pk for _ in range(count)]
        states = history.states(room.pk, pks)
        return [change_of(POSTED, states[pk]) for pk in pks]

    return await asyncio.to_thread(_closing, write)


def _closing(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connection.close()


def test_what_one_process_publishes_is_delivered_in_both(room: Room) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        near, far = await come(here, room), await come(there, room)
        await heard(here, there)
        for change in await commit(room, 3):
            here.publish(room.pk, [change])
        assert near.places == [1, 2, 3]
        await eventually(lambda: far.places == [1, 2, 3])
        assert [frame for frame in near.frames if "pos" in frame] == far.frames[1:]

    run(scenario)


def test_what_a_page_announces_is_delivered_in_all_processes(
    room: Room, slow_comparison: None
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        near, far = await come(here, room), await come(there, room)
        await asyncio.to_thread(bus.announce, room.pk, await commit(room, 3))
        await eventually(lambda: near.places == far.places == [1, 2, 3])

    run(scenario)


def test_a_last_event_that_is_lost_is_found_by_comparing_heads(
    room: Room, slow_comparison: None
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        far = await come(there, room)
        await commit(room)  # and Redis loses it
        await asyncio.sleep(0.2)
        assert far.places == []
        await there.repairs.compare()
        assert far.places == [1]

    run(scenario)


def test_heads_are_compared_without_anybody_asking(room: Room) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        far = await come(there, room)
        await commit(room)
        await eventually(lambda: far.places == [1])

    run(scenario)


def test_events_that_the_layer_loses_doubles_and_reorders_are_put_right(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        near, far = await come(here, room), await come(there, room)
        await heard(here, there)
        held_back: list[bus.Message] = []
        on_changes = there.mailbox.handle
        arrived = 0

        def unreliable(message: bus.Message) -> None:
            nonlocal arrived
            if isinstance(message, bus.Pulse):
                on_changes(message)
                return
            arrived += 1
            if arrived % 5 == 1:
                return  # lost
            if arrived % 5 == 2:
                held_back.append(message)  # late
                return
            on_changes(message)
            on_changes(message)  # twice
            while held_back:
                on_changes(held_back.pop())

        monkeypatch.setattr(there.mailbox, "handle", unreliable)
        for change in await commit(room, 30):
            here.publish(room.pk, [change])
            await asyncio.sleep(0.005)
        await eventually(lambda: arrived == 30 or sum(1 for _ in far.places) == 30)
        await there.repairs.compare()
        assert near.places == far.places == list(range(1, 31))

    run(scenario)


def test_a_hole_that_stays_is_read_from_the_database_though_nothing_more_comes(
    room: Room, slow_comparison: None
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        _lost, second = await commit(room, 2)
        here.publish(room.pk, [second])
        assert follower.places == []
        await eventually(lambda: follower.places == [1, 2])

    run(scenario)


def test_a_hole_that_closes_in_a_moment_costs_no_read(
    room: Room, slow_comparison: None, reads: list[str]
) -> None:
    """Another process's event is mostly on its way."""

    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        reads.clear()
        late, early = await commit(room, 2)
        here.publish(room.pk, [early])
        await asyncio.sleep(repairs.HOLE_WAIT / 5)
        here.publish(room.pk, [late])
        assert follower.places == [1, 2]
        await asyncio.sleep(3 * repairs.HOLE_WAIT)
        assert reads == []
        here.publish(room.pk, (await commit(room, 2))[1:])  # and one that stays is read
        await eventually(lambda: follower.places == [1, 2, 3, 4])
        assert reads == ["since"]

    run(scenario)


def test_a_reaction_that_was_taken_back_unheard_is_not_announced_as_a_new_message(
    room: Room, slow_comparison: None
) -> None:
    """A plain client shows the text of each `chat.message`."""
    message = MessageFactory(room=room)
    user = UserFactory().pk

    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)

        def react() -> None:
            for on in (True, False):
                command = React(id=message.pk, emoji="👍", on=on)
                assert isinstance(apply.apply([Write(room.pk, user, command)])[0], Change)

        await asyncio.to_thread(_closing, react)
        await here.repairs.compare()
        assert [frame["type"] for frame in follower.frames[1:]] == ["chat.reaction"]

    run(scenario)


def test_a_hole_is_closed_once_the_database_answers_again(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        real = history.since
        away = True

        def since(*args: Any, **options: Any) -> Any:
            if away:
                raise OperationalError("the database is away")
            return real(*args, **options)

        monkeypatch.setattr(history, "since", since)
        here.publish(room.pk, (await commit(room, 2))[1:])
        await asyncio.sleep(0.3)
        assert follower.places == []
        away = False
        await eventually(lambda: follower.places == [1, 2])

    run(scenario)


def test_too_much_to_replay_is_a_fresh_page_that_says_so(
    room: Room, slow_comparison: None, settings: Settings
) -> None:
    settings.CHAT_CATCH_UP_MAX = 5

    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        changes = await commit(room, 9)
        here.publish(room.pk, changes[-1:])
        await eventually(lambda: len(follower.frames) > 1)
        assert [frame.get("mode") for frame in follower.frames] == ["page", "reset"]
        assert follower.log.cursor == 9
        here.publish(room.pk, await commit(room))
        assert follower.places == [10]

    run(scenario)


def test_what_is_heard_of_while_the_log_is_read_is_not_missed_any_more(
    room: Room, slow_comparison: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHAT_CATCH_UP_MAX = 5

    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        assert follower.feed is not None
        has_read, may_return = slowed(monkeypatch)
        changes = await commit(room, 9)
        repair = asyncio.create_task(here.repairs.repair(follower.feed))
        await asyncio.to_thread(has_read.wait, PATIENCE)
        here.publish(room.pk, changes[:6])
        may_return.set()
        await repair
        assert [frame.get("mode") for frame in follower.frames] == ["page", *[None] * 9]
        assert follower.places == list(range(1, 10))

    run(scenario)


def slowed(monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Reads of what was missed, which return when they may: events of having read, and of that."""
    real, has_read, may_return = history.since, Event(), Event()

    def slow(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        has_read.set()
        may_return.wait(PATIENCE)
        return found

    monkeypatch.setattr(history, "since", slow)
    return has_read, may_return


def test_a_room_is_opened_once_however_many_come_at_once(room: Room, reads: list[str]) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        feeds = await asyncio.gather(
            *(here.follow(Follower(room)) for _ in range(50))  # type: ignore[arg-type]
        )
        assert len(set(map(id, feeds))) == 1

    run(scenario)
    assert reads == ["page"]


def test_a_crowd_that_comes_back_at_once_reads_the_database_a_few_times(
    room: Room, reads: list[str]
) -> None:
    MessageFactory.create_batch(40, room=room)

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]

        async def come_back(cursor: int) -> None:
            missed = await here.catch_up(feed, cursor)
            assert [change.pos for change in missed or ()] == list(range(cursor + 1, 41))

        await asyncio.gather(*(come_back(n % 40) for n in range(200)))

    run(scenario)
    assert reads.count("since") <= 3


def test_a_crowd_that_was_away_for_too_long_reads_the_database_once_and_gets_a_page(
    room: Room, reads: list[str], settings: Settings
) -> None:
    settings.CHAT_CATCH_UP_MAX = 10
    MessageFactory.create_batch(60, room=room)

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        missed = await asyncio.gather(*(here.catch_up(feed, cursor) for cursor in range(60)))
        given = [None if one is None else len(one) for one in missed]
        assert given == [None] * 50 + [*range(10, 0, -1)]

    run(scenario)
    assert reads.count("since") == 1


def test_many_changes_of_few_messages_are_caught_up_with(room: Room, settings: Settings) -> None:
    """Net, that is not much."""
    settings.CHAT_CATCH_UP_MAX = 5
    message, *_ = MessageFactory.create_batch(3, room=room)
    room.refresh_from_db()
    for _ in range(7):
        _, message.pos = room.reserve(changes=1)
        message.save()

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        missed = await here.catch_up(feed, 0)
        assert [change.pos for change in missed or ()] == [2, 3, 10]

    run(scenario)


def test_a_cursor_from_the_future_gets_a_fresh_page(room: Room) -> None:
    MessageFactory.create_batch(3, room=room)

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        assert await here.catch_up(feed, 4) is None
        assert await here.catch_up(feed, 3) == []

    run(scenario)


def test_a_cursor_ahead_of_this_process_only_is_caught_up_with(
    room: Room, slow_comparison: None
) -> None:
    """The client saw more in another process, before this one heard of it."""

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        await commit(room, 3)
        assert await here.catch_up(feed, 2) is not None
        assert feed.head == 3

    run(scenario)


def test_a_cursor_ahead_is_caught_up_with_though_a_read_from_before_was_under_way(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        has_read, may_return = slowed(monkeypatch)
        earlier = asyncio.create_task(here.repairs.repair(feed))
        await asyncio.to_thread(has_read.wait, PATIENCE)
        await commit(room, 3)
        back = asyncio.create_task(here.catch_up(feed, 2))
        await asyncio.sleep(0.05)
        may_return.set()
        assert [change.pos for change in await back or ()] == [3]
        await earlier

    run(scenario)


def test_more_than_may_be_caught_up_with_is_a_fresh_page(room: Room, settings: Settings) -> None:
    settings.CHAT_CATCH_UP_MAX = 5
    MessageFactory.create_batch(8, room=room)

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        assert await here.catch_up(feed, 2) is None
        assert len(await here.catch_up(feed, 3) or ()) == 5

    run(scenario)


def test_more_bytes_than_half_an_outbox_are_a_fresh_page(room: Room, settings: Settings) -> None:
    """All of it would be sent at once, and a slow reader closed for it, again and again."""
    settings.CHAT_OUTBOX_BYTES = 20_000
    MessageFactory.create_batch(12, room=room, body="x" * 1_000)

    async def scenario(here: Hub, there: Hub) -> None:
        feed = await here.follow(Follower(room))  # type: ignore[arg-type]
        assert await here.catch_up(feed, 0) is None
        assert len(await here.catch_up(feed, 6) or ()) == 6

    run(scenario)


def test_while_redis_hangs_only_so_much_waits_for_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        await come(here, room)
        monkeypatch.setattr(mailbox, "OUTGOING_MAX", 10)
        monkeypatch.setattr(Mailbox, "is_alone", False)
        for _ in range(50):
            here.tell(1, bus.Changes(1, []))
        assert len(here.mailbox.outgoing["room.1"]) == 10

    run(scenario)


def test_a_repeat_that_another_process_wrote_is_answered_in_its_place(
    room: Room, slow_comparison: None
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        _before, mine = await commit(room, 2)  # elsewhere, and Redis is slow
        here.answer(follower, mine, "again")  # type: ignore[arg-type]
        assert follower.places == []
        await eventually(lambda: follower.places == [1, 2])
        assert follower.answered == ["again"]

    run(scenario)


def test_who_comes_while_a_room_is_being_forgotten_hears_it(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LINGER", 0.05)

    async def scenario(here: Hub, there: Hub) -> None:
        first = await come(here, room)
        first.leave()
        late = Follower(room)
        late.feed = feed = await here.follow(late)  # type: ignore[arg-type]
        await asyncio.sleep(0.3)  # it reads what it missed; the timer of the first one ends
        late.show_page(feed, "page")
        here.join(feed, late)  # type: ignore[arg-type]
        here.publish(room.pk, await commit(room))
        assert late.places == [1]

    run(scenario)


def test_a_room_that_nobody_follows_is_forgotten_and_heard_again_when_somebody_comes(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LINGER", 0.05)

    async def scenario(here: Hub, there: Hub) -> None:
        first, far = await come(here, room), await come(there, room)
        await heard(here, there)
        first.leave()
        await eventually(lambda: room.pk not in here.feeds)
        there.publish(room.pk, await commit(room))
        assert far.places == [1]
        again = await come(here, room)
        assert again.log.cursor == 1
        there.publish(room.pk, await commit(room))
        await eventually(lambda: again.places == [2])

    run(scenario)


def test_a_message_that_cannot_be_handled_does_not_make_a_process_deaf(
    room: Room, slow_comparison: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "chat.live.mailbox")

    async def scenario(here: Hub, there: Hub) -> None:
        far = await come(there, room)
        await come(here, room)
        await heard(here, there)
        change = await commit(room)
        here.tell(room.pk, Newer())
        here.publish(room.pk, change)  # leaves in one bundle with it
        await eventually(lambda: far.places == [1])

    run(scenario)


def test_single_flight_begins_again_at_once_for_what_comes_after_it_has_ended() -> None:
    """Whoever asks between the end of a flight and its clean-up must not share the old one."""

    async def scenario(here: Hub, there: Hub) -> None:
        runs: list[int] = []

        async def work() -> None:
            runs.append(1)

        flight = here.flights.once("key", work)
        while not runs:
            await asyncio.sleep(0)
        here.flights.once("key", work)
        await flight
        await eventually(lambda: len(runs) == 2)

    run(scenario)


def test_single_flight_shares_one_run_and_its_failure() -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        async def work() -> None:
            await asyncio.sleep(0.05)
            raise RuntimeError("shared")

        results = await asyncio.gather(
            *(here.flights.once("key", work) for _ in range(5)), return_exceptions=True
        )
        assert [str(one) for one in results] == ["shared"] * 5
        assert len({id(one) for one in results}) == 1

    run(scenario)


def test_a_room_is_shown_and_followed_while_redis_is_away(
    room: Room, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    MessageFactory(room=room)

    async def refused(*args: Any) -> None:
        raise ConnectionError("Redis is away")

    async def scenario(here: Hub, there: Hub) -> None:
        for name in ("new_channel", "group_add", "group_send", "send"):
            monkeypatch.setattr(get_channel_layer(CHAT), name, refused)
        follower = await come(here, room)
        assert follower.log.cursor == 1
        await commit(room)
        await eventually(lambda: follower.places == [2])

    run(scenario)


def test_publishing_needs_nobody_there(room: Room) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        here.publish(room.pk, await commit(room))
        assert here.feeds == {}

    run(scenario)
    assert Message.objects.filter(room=room).count() == 1


async def lose(room: Room, seq: int) -> None:
    """The database loses its last commits, from that message on, as in a failover or a restore."""

    def roll_back() -> None:
        Message.objects.filter(room=room, seq__gte=seq).delete()
        Room.objects.filter(pk=room.pk).update(head=seq - 1, message_count=seq - 1)

    await asyncio.to_thread(_closing, roll_back)


def test_commits_that_the_database_has_lost_are_taken_back(
    room: Room, slow_comparison: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        near = await come(here, room)
        here.publish(room.pk, await commit(room, 4))
        assert near.places == [1, 2, 3, 4]
        await lose(room, 2)
        await here.repairs.compare()
        await eventually(lambda: near.log.cursor == 1)
        assert near.frames[-1]["mode"] == "reset"
        here.publish(room.pk, await commit(room))
        assert near.places == [1, 2, 3, 4, 2]

    run(scenario)
    assert caplog.text.count("the database has another log than was shown") == 1


@pytest.mark.parametrize("written", [1, 3, 5])
def test_what_is_written_after_such_a_loss_reaches_everybody_though_heads_look_alike(
    room: Room, slow_comparison: None, written: int
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        near, far = await come(here, room), await come(there, room)
        await heard(here, there)
        here.publish(room.pk, await commit(room, 4))
        await eventually(lambda: far.places == [1, 2, 3, 4])
        await lose(room, 2)
        changes = await commit(room, written)
        here.publish(room.pk, changes)
        states = [json.loads(change.state)["id"] for change in changes]
        for one in (near, far):
            await eventually(lambda one=one: [*one.log.messages][1:] == states)

    run(scenario)


@pytest.mark.parametrize("forged", [1, 5])
def test_what_was_written_into_redis_only_is_taken_back_and_swallows_nothing(
    room: Room, slow_comparison: None, forged: int
) -> None:
    """Of the right shape and in the next places: until something is written it looks true."""

    async def scenario(here: Hub, there: Hub) -> None:
        near, far = await come(here, room), await come(there, room)
        await heard(here, there)
        here.publish(room.pk, await commit(room, 2))
        await eventually(lambda: far.places == [1, 2])
        lies = []
        for place in range(3, 3 + forged):
            person = Person(1, "Eve")
            state = MessageState(10**9 + place, place, place, UUID(int=place), person, "buy", AT)
            lies.append(change_of(POSTED, state))
        for one in (here, there):
            one.mailbox.handle(bus.Changes(room.pk, lies))
        assert near.places == far.places == list(range(1, 3 + forged))
        changes = await commit(room, forged)
        here.publish(room.pk, changes)
        states = [json.loads(change.state)["id"] for change in changes]
        for one in (near, far):
            await eventually(lambda one=one: [*one.log.messages][2:] == states)

    run(scenario)


def test_an_old_change_that_comes_late_is_no_sign_of_another_log(
    room: Room, slow_comparison: None, reads: list[str]
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        near = await come(here, room)
        changes = await commit(room, 4)
        here.publish(room.pk, changes)
        reads.clear()
        here.publish(room.pk, changes)
        await asyncio.sleep(0)
        assert not reads
        assert near.places == [1, 2, 3, 4]

    run(scenario)


def test_a_feed_is_one_for_all_of_a_process(room: Room) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        one, other = await come(here, room), await come(here, room)
        assert isinstance(one.feed, Feed)
        assert one.feed is other.feed

    run(scenario)


def test_what_was_never_committed_is_not_waited_for(
    room: Room, slow_comparison: None, reads: list[str]
) -> None:
    """The hole before it is looked for in the database, and found to be none."""

    async def scenario(here: Hub, there: Hub) -> None:
        follower = await come(here, room)
        assert follower.feed is not None
        (first,) = await commit(room)
        here.publish(room.pk, [first, first._replace(pos=1_000)])
        await eventually(lambda: not follower.feed.has_hole)
        assert reads == ["page", "since"]
        here.publish(room.pk, await commit(room))
        assert follower.places == [1, 2]

    run(scenario)


def named(name: str) -> "asyncio.Task[Any]":
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == name)
    return task


def test_a_layer_that_always_fails_is_asked_now_and_then_and_heard_again(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(here: Hub, there: Hub) -> None:
        far = await come(there, room)
        layer = get_channel_layer(CHAT)
        receive, tries = layer.receive, []

        async def broken(name: str) -> Any:
            tries.append(name)
            raise RuntimeError("broken for ever")

        layer.receive = broken
        for task in [task for task in asyncio.all_tasks() if task.get_name() == "hub receiving"]:
            task.cancel()
        await eventually(lambda: len(tries) >= 4)
        assert tasks.down() == ["hub receiving"]
        for _ in range(500):  # of the event loop, while it pauses
            await asyncio.sleep(0)
        assert len(tries) <= 8
        layer.receive = receive
        await eventually(lambda: not tasks.down())
        await heard(here, there)
        here.publish(room.pk, await commit(room))
        await eventually(lambda: far.places == [1])

    run(scenario)


def test_a_process_that_redis_sends_nothing_any_more_asks_anew(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task of the layer that reads its connection is Channels' own."""
    monkeypatch.setattr(mailbox, "DEAF", 1.5)

    async def scenario(here: Hub, there: Hub) -> None:
        far = await come(there, room)
        await come(here, room)
        await heard(here, there)
        named("redis subscriptions").cancel()
        await eventually(lambda: tasks.down() == ["hub receiving"])
        await eventually(lambda: not tasks.down())
        await heard(here, there)
        here.publish(room.pk, await commit(room))
        await eventually(lambda: far.places == [1])

    run(scenario)


def test_processes_notice_a_new_identity_and_find_each_other_again(
    room: Room, slow_comparison: None, monkeypatch: pytest.MonkeyPatch, clean_redis: str
) -> None:
    monkeypatch.setattr(installation, "EVERY", 0.2)

    async def scenario(here: Hub, there: Hub) -> None:
        far = await come(there, room)
        await come(here, room)
        await heard(here, there)
        before = installation.known()
        await asyncio.to_thread(_closing, installation.renew)
        with redis.Redis.from_url(clean_redis, decode_responses=True) as client:

            def names() -> list[str]:
                return client.pubsub_channels()  # type: ignore[return-value]

            assert all(name.startswith(before) for name in names())
            groups = {"hubs", f"room.{room.pk}"}
            await eventually(lambda: not any(name.startswith(before) for name in names()))
            await eventually(lambda: {name.partition("__group__")[2] for name in names()} >= groups)
            assert all(name.startswith(installation.known()) for name in names())
        assert tasks.down() == []
        await heard(here, there)
        here.publish(room.pk, await commit(room))
        await eventually(lambda: far.places == [1])

    run(scenario)
