"""Leases of one process, and of three together: who comes and goes is announced once."""

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Connection, Redis

from presence import schedule
from presence import tracker as tracker_module
from presence.store import keys
from tests.presence.processes import GRACE, LEASE, Process, Scene
from tests.support.sockets import RedisServer

Eventually = Callable[..., Awaitable[Any]]
# Real time, where a test needs it: long enough for a machine that stalls a second.
SHORT = {"lease": 3.0, "renew": 0.3, "grace": 0.3}


async def idle(*processes: Process) -> None:
    for process in processes:
        await process.idle()


def gapless(scene: Scene, scope: str = "a") -> bool:
    versions = scene.versions(scope)
    return versions == list(range(versions[0], versions[0] + len(versions)))


# -- tabs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_tabs_in_any_order_on_any_processes_are_one_presence(
    scene: Scene, order: tuple[int, ...]
) -> None:
    processes = [scene.process() for _ in range(3)]
    for n in order:
        await processes[n].tracker.enter("a", "ann", f"tab-{n}")
    for n in sorted(order, key=lambda n: order[n]):
        assert scene.said("a") == [("joined", "ann")]
        processes[n].tracker.leave("a", "ann", f"tab-{n}", at_once=True)
        await processes[n].idle()
    assert scene.said("a") == [("joined", "ann"), ("left", "ann")]
    assert await scene.users("a") == set()
    assert gapless(scene)


async def test_a_thousand_who_come_at_once_share_a_few_round_trips(
    scene: Scene, redis: Redis
) -> None:
    process = scene.process()
    await process.tracker.enter("a", "0", "x")
    await redis.config_resetstat()
    await asyncio.gather(*(process.tracker.enter("a", str(n), "x") for n in range(1, 1_000)))
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] <= 2
    assert len(await scene.users("a")) == 1_000
    assert gapless(scene)


async def test_leaving_what_was_never_entered_changes_nothing(scene: Scene) -> None:
    process = scene.process()
    process.tracker.leave("a", "ann", "x")
    await process.tracker.enter("a", "ann", "y")
    process.tracker.leave("a", "ann", "x", at_once=True)
    await process.idle()
    assert await scene.users("a") == {"ann"}


async def test_entering_twice_at_once_is_answered_twice(scene: Scene) -> None:
    process = scene.process()
    async with asyncio.timeout(20):
        await asyncio.gather(*(process.tracker.enter("a", "ann", "x") for _ in range(2)))
    assert await scene.users("a") == {"ann"}


async def test_who_leaves_while_entering_has_not_stayed(scene: Scene) -> None:
    process = scene.process()
    entering = asyncio.create_task(process.tracker.enter("a", "ann", "x"))
    await asyncio.sleep(0)
    process.tracker.leave("a", "ann", "x", at_once=True)
    async with asyncio.timeout(20):
        await entering
    await process.idle()
    assert await scene.users("a") == set()


async def test_who_leaves_and_enters_in_one_breath_has_stayed(scene: Scene) -> None:
    """Somebody who turns invisible and back keeps the name of the connection."""
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    process.tracker.leave("a", "ann", "x", at_once=True)
    await process.tracker.enter("a", "ann", "x")
    await process.idle()
    assert await scene.users("a") == {"ann"}


async def test_one_announcement_that_fails_does_not_lose_the_others(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def announce(scope: str, changes: Any) -> None:
        told.append(scope)
        if scope == "a":
            raise ValueError("a room that is none")

    monkeypatch.setattr(scene, "announce", announce)
    process = scene.process()
    async with asyncio.timeout(20):
        await asyncio.gather(*(process.tracker.enter(one, "ann", "x") for one in "abc"))
    assert sorted(told) == ["a", "b", "c"]
    assert "a room that is none" in caplog.text


# -- the grace --------------------------------------------------------------------------------


async def test_a_reload_within_the_grace_is_not_seen(scene: Scene) -> None:
    one, other = scene.process(), scene.process()
    await one.tracker.enter("a", "ann", "before")
    one.tracker.leave("a", "ann", "before")
    await one.idle()
    assert await scene.users("a") == {"ann"}
    await other.tracker.enter("a", "ann", "after")
    await scene.pass_time(GRACE + 1, "a")
    for process in (one, other):
        await process.tracker.renew()
    assert scene.said("a") == [("joined", "ann")]
    assert await scene.users("a") == {"ann"}


async def test_who_does_not_come_back_left_once_the_grace_is_over(
    scene: Scene, eventually: Eventually
) -> None:
    processes = [scene.process(**SHORT | {"lease": 30}) for _ in range(3)]
    for process in processes:
        await process.tracker.enter("a", "bob", "x")
    await processes[0].tracker.enter("a", "ann", "x")
    processes[0].tracker.leave("a", "ann", "x")
    await eventually(lambda: scene.said("a")[-1] == ("left", "ann"))
    assert scene.said("a") == [("joined", "bob"), ("joined", "ann"), ("left", "ann")]


async def test_the_last_one_out_is_announced_by_the_process_that_was_left(
    scene: Scene, eventually: Eventually
) -> None:
    process = scene.process(**SHORT)
    await process.tracker.enter("a", "ann", "x")
    process.tracker.leave("a", "ann", "x")
    await eventually(lambda: len(scene.said("a")) == 2)
    assert await scene.users("a") == set()
    await process.idle()
    assert process.tracker.schedule.ends == {}, "it watches a scope where it has nobody"


async def test_leaving_at_once_waits_for_no_grace(scene: Scene) -> None:
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    process.tracker.leave("a", "ann", "x", at_once=True)
    await process.idle()
    assert scene.said("a") == [("joined", "ann"), ("left", "ann")]


# -- processes that die, or end ---------------------------------------------------------------


async def test_a_process_that_died_is_healed_by_another(
    scene: Scene, eventually: Eventually
) -> None:
    """By its timers, as soon as the leases end, and not only with its next renewal."""
    dead = scene.process(**SHORT)
    others = [scene.process(**SHORT | {"renew": 60, "lease": 90}) for _ in range(2)]
    for n, process in enumerate([dead, *others]):
        await process.tracker.enter("a", f"own-{n}", "x")
        await process.tracker.enter("a", "both", f"tab-{n}")
    for n in range(50):
        await dead.tracker.enter("a", f"guest-{n}", "x")
    before = len(scene.said("a"))
    for process in others:
        await process.tracker.renew()  # so that they know of its leases
    await dead.crash()
    await eventually(lambda: len(scene.said("a")) >= before + 51)
    for process in others:
        await process.tracker.renew()
    assert await scene.users("a") == {"own-1", "own-2", "both"}
    gone = scene.said("a")[before:]
    assert sorted(gone) == sorted([("left", "own-0"), *(("left", f"guest-{n}") for n in range(50))])
    assert gapless(scene)
    for process in others:
        state = await process.look("a")
        assert set(process.roster("a").users) == state.users


async def test_a_process_that_ends_gives_its_users_time_to_turn_up_elsewhere(
    scene: Scene,
) -> None:
    """A deploy of three processes, one after the other: nobody who comes back has left."""
    old = [scene.process() for _ in range(3)]
    for n, process in enumerate(old):
        for user in range(20):
            await process.tracker.enter("a", f"{n}-{user}", f"{n}-before")
    for n, process in enumerate(old):
        await process.tracker.close(grace=50)
        new = scene.process()
        for user in range(19):  # the last one does not
            await new.tracker.enter("a", f"{n}-{user}", f"{n}-after")
    assert len(scene.said("a")) == 60
    await scene.pass_time(51, "a")
    for process in scene.processes[3:]:
        await process.tracker.renew()
    assert sorted(scene.said("a")[60:]) == [("left", f"{n}-19") for n in range(3)]
    assert len(await scene.users("a")) == 57
    assert gapless(scene)


async def test_a_process_that_is_about_to_end_gives_more_grace(scene: Scene) -> None:
    """Also to the leases that are left before it closes; never more than the lease had."""
    process = scene.process()
    for tab in ("before", "after", "closed"):
        await process.tracker.enter("a", "ann", tab)
    process.tracker.leave("a", "ann", "before")
    process.tracker.grace += 50
    process.tracker.leave("a", "ann", "after")
    await process.idle()
    await process.tracker.close(grace=2 * LEASE)
    scores = await scene.redis.zrange(keys("a")[1], 0, -1, withscores=True)
    now = (await scene.redis.time())[0]
    ends = {member.decode(): round((end / 1000 - now) / 25) * 25 for member, end in scores}
    expected = {"ann:before": GRACE, "ann:after": GRACE + 50, "ann:closed": LEASE}
    assert ends == expected


async def test_a_process_that_ends_also_gives_back_what_was_on_its_way(scene: Scene) -> None:
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    on_its_way = asyncio.Event()

    async def stuck(*args: Any) -> Any:
        on_its_way.set()
        await asyncio.Event().wait()

    process.store.hold = stuck  # type: ignore[method-assign]
    entering = asyncio.create_task(process.tracker.enter("a", "bob", "x"))
    await on_its_way.wait()
    process.tracker.leave("a", "ann", "x", at_once=True)  # has to wait for the one under way
    waiting = asyncio.create_task(process.tracker.enter("a", "dan", "x"))
    await asyncio.sleep(0)
    await process.tracker.close(grace=0)
    async with asyncio.timeout(20):
        await entering
        await waiting
        await process.tracker.enter("a", "eve", "x")
    await asyncio.sleep(0.05)
    assert await scene.users("a") == set()
    assert await scene.redis.zcard(keys("a")[1]) == 0


# -- Redis ------------------------------------------------------------------------------------


async def test_redis_emptied_is_filled_again_by_one_renewal_of_each(scene: Scene) -> None:
    processes = [scene.process() for _ in range(3)]
    for n, process in enumerate(processes):
        for user in range(10):
            await process.tracker.enter("a", f"{n}-{user}", "x")
        await process.tracker.enter("a", "all", f"tab-{n}")
    before = max(scene.versions("a"))
    for process in processes:
        await process.look("a")
    await scene.redis.flushall()
    scene.announced.clear()
    for process in processes:
        await process.tracker.renew()
    said = scene.said("a")
    assert len(said) == len(set(said)) == 31, "each comes back once"
    assert {kind for kind, _ in said} == {"joined"}, "nobody who stayed has left"
    assert gapless(scene)
    assert min(scene.versions("a")) > before
    for process in processes:
        roster = process.roster("a")
        assert roster.misses
        await process.look("a")
        assert set(roster.users) == await scene.users("a")
        assert len(roster.users) == 31


async def test_redis_stopped_in_its_tracks(
    valkey: RedisServer, scene: Scene, eventually: Eventually
) -> None:
    options = SHORT | {"lease": 30.0, "socket_timeout": 0.2, "socket_connect_timeout": 0.2}
    one, other = scene.process(**options), scene.process(**options)
    await one.tracker.enter("a", "stays", "x")
    await one.tracker.enter("a", "goes", "x")
    await other.tracker.enter("a", "other", "x")
    await one.look("a")
    await other.look("a")
    valkey.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(20):
            await one.tracker.enter("a", "comes", "x")  # nobody waits for Redis
        one.tracker.leave("a", "goes", "x")
        await asyncio.sleep(1.0)
    finally:
        valkey.signal(signal.SIGCONT)
    truth = {"stays", "other", "comes"}

    async def right() -> bool:
        return await scene.users("a") == truth

    await eventually(right)
    left = [user for kind, user in scene.said("a") if kind == "left"]
    assert left in ([], ["goes"])  # Redis's answer may have been lost; never one who stayed

    async def both_know() -> bool:
        """The answer that said who came may be lost: what a renewal has heard shows it."""
        for process in (one, other):
            if process.roster("a").misses:
                await process.look("a")
        return all(set(process.roster("a").users) == truth for process in (one, other))

    await eventually(both_know)


async def test_what_was_left_while_redis_was_away_is_given_back_later(
    scene: Scene, eventually: Eventually
) -> None:
    """And not kept for as long as a lease: most of all not for somebody who turned invisible."""
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    await process.tracker.enter("a", "bob", "x")
    real, process.store.ask = process.store.ask, away  # type: ignore[method-assign]
    process.tracker.leave("a", "ann", "x", at_once=True)
    process.tracker.leave("a", "bob", "x", at_once=True)
    await process.idle()
    async with asyncio.timeout(20):
        await process.tracker.enter("a", "bob", "x")  # has changed their mind
    process.store.ask = real  # type: ignore[method-assign]

    async def gone() -> bool:
        return await scene.users("a") == {"bob"}

    await eventually(gone)


async def away(*_: Any) -> Any:
    raise OSError("away")


def recorded(process: Process) -> list[dict[str, list[str]]]:
    """The members that are sent with each hold from now on, by scope."""
    sent, real = [], process.store.hold

    async def hold(members: Any, lease: float) -> Any:
        sent.append({scope: list(each) for scope, each in members.items()})
        return await real(members, lease)

    process.store.hold = hold  # type: ignore[method-assign]
    return sent


@pytest.mark.parametrize("first", ["enter", "leave", "sweep", "renew"])
async def test_who_stayed_while_redis_was_away_for_long_is_not_announced(
    scene: Scene, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their leases are over when it is back. Whatever comes first renews them, and ends none."""
    monkeypatch.setattr(schedule, "RETRY", 0.0)
    process = scene.process()
    tracker = process.tracker
    for user in ("ann", "bob", "eve"):
        await tracker.enter("a", user, "x")
    real, process.store.ask = process.store.ask, away  # type: ignore[method-assign]
    with pytest.raises(OSError, match="away"):
        await tracker.renew()
    await scene.pass_time(LEASE + 1, "a")
    process.store.ask = real  # type: ignore[method-assign]
    match first:
        case "enter":
            await tracker.enter("a", "dan", "x")
        case "leave":
            tracker.leave("a", "bob", "x", at_once=True)
            await process.idle()
        case "sweep":
            await tracker.sweep()
        case "renew":
            await tracker.renew()
    left = [user for kind, user in scene.said("a") if kind == "left"]
    assert left == (["bob"] if first == "leave" else [])
    assert await scene.users("a") >= {"ann", "eve"}


@pytest.mark.parametrize("first", ["enter", "leave", "sweep"])
async def test_who_stayed_while_the_process_stood_still_is_not_announced(
    scene: Scene, first: str
) -> None:
    """A machine that was suspended: no renewal has failed, it is only late."""
    process = scene.process()
    tracker = process.tracker
    for user in ("ann", "bob", "eve"):
        await tracker.enter("a", user, "x")
    await scene.pass_time(LEASE + 1, "a")
    tracker.schedule.renewed_at -= LEASE + 1
    tracker.schedule.ends["a"] -= LEASE + 1
    match first:
        case "enter":
            await tracker.enter("a", "dan", "x")
        case "leave":
            tracker.leave("a", "bob", "x", at_once=True)
            await process.idle()
        case "sweep":
            await tracker.sweep()
    left = [user for kind, user in scene.said("a") if kind == "left"]
    assert left == (["bob"] if first == "leave" else [])
    assert await scene.users("a") >= {"ann", "eve"}


async def test_who_comes_when_redis_is_back_is_taken_there_with_the_others_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one round trip: there is enough to do then."""
    monkeypatch.setattr(tracker_module, "SWEEP", 60)
    process = scene.process()
    real, process.store.ask = process.store.ask, away  # type: ignore[method-assign]
    await process.tracker.enter("a", "ann", "x")
    process.store.ask = real  # type: ignore[method-assign]
    sent = recorded(process)
    await asyncio.gather(*(process.tracker.enter(one, "bob", "x") for one in "ab"))
    assert sent == [{"a": ["ann:x", "bob:x"]}, {"b": ["bob:x"]}]
    assert await scene.users("a") == {"ann", "bob"}
    assert await scene.users("b") == {"bob"}


async def test_while_redis_is_away_what_is_over_is_asked_for_once_a_second(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "SWEEP", 60)
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    process.tracker.schedule.ends["a"] = 0
    process.store.ask = away  # type: ignore[method-assign]
    sent = recorded(process)
    for _ in range(10):
        with suppress(OSError):
            await process.tracker.sweep()
    assert sent == [{"a": []}, {"a": ["ann:x"]}], "may be over, when Redis is back"


async def test_a_node_that_is_away_is_tried_again_however_much_is_over_on_others(
    scene: Scene, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "RETRY", 0.1)
    process = scene.process()
    await asyncio.gather(*(process.tracker.enter(one, "ann", "x") for one in "ab"))
    process.store.ask = node_away  # type: ignore[method-assign]
    await process.tracker.renew()
    sent = recorded(process)

    async def is_tried() -> bool:
        process.tracker.schedule.ends["b"] = 0
        await process.tracker.sweep()
        return sum("a" in each for each in sent) >= 3

    await eventually(is_tried, seconds=5)


async def test_a_renewal_that_failed_is_tried_again_in_a_second(
    scene: Scene, eventually: Eventually
) -> None:
    """A whole turn later the leases might be over."""
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    real, process.store.ask = process.store.ask, away  # type: ignore[method-assign]
    with pytest.raises(OSError, match="away"):
        await process.tracker.renew()
    await scene.pass_time(LEASE - 10, "a")
    process.store.ask = real  # type: ignore[method-assign]
    await eventually(lambda: process.heard, seconds=5)
    (score,) = dict(await scene.redis.zrange(keys("a")[1], 0, -1, withscores=True)).values()
    assert score / 1000 - (await scene.redis.time())[0] > LEASE - 10


async def node_away(calls: Any) -> Any:
    """Of a cluster, where another node answers."""
    return {scope: OSError("away") if scope == "a" else [[], 1, 0, -1] for scope in calls}


@pytest.mark.parametrize("how", [away, node_away])
async def test_who_came_while_redis_was_away_is_seen_a_second_after_its_return(
    scene: Scene, eventually: Eventually, how: Any
) -> None:
    process = scene.process()
    real, process.store.ask = process.store.ask, how  # type: ignore[method-assign]
    await asyncio.gather(*(process.tracker.enter(one, "ann", "x") for one in "ab"))
    process.store.ask = real  # type: ignore[method-assign]

    async def is_seen() -> bool:
        return await scene.users("a") == {"ann"}

    await eventually(is_seen, seconds=5)


async def test_however_many_a_dead_process_had_all_end_at_once(scene: Scene) -> None:
    """One script ends a thousand: the rest must not wait for the next look."""
    process = scene.process()
    await process.store.hold({"a": [f"{n}:x" for n in range(3_500)]}, 0.001)
    await asyncio.sleep(0.01)
    process.tracker.watch("a")
    await process.tracker.sweep()
    assert len(scene.said("a")) == 3_500
    assert await scene.users("a") == set()


# -- renewals ---------------------------------------------------------------------------------


class Counting(Connection):
    sent = 0

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        Counting.sent += 1
        await super().send_packed_command(*args, **kwargs)


async def test_a_renewal_is_one_round_trip_however_many_connections(
    scene: Scene, redis: Redis
) -> None:
    process = scene.process()
    process.redis.connection_pool.connection_class = Counting
    people = [(f"room-{n % 20}", f"user-{n % 70}", f"tab-{n}") for n in range(600)]
    await asyncio.gather(*(process.tracker.enter(*one) for one in people))
    await process.tracker.renew()
    await redis.config_resetstat()
    Counting.sent = 0
    await process.tracker.renew()
    assert Counting.sent == 1
    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 20  # a script is one scope's
    assert not any(name.startswith("cmdstat_script") for name in stats)
    await process.tracker.sweep()
    assert Counting.sent == 1, "while all renew there is nothing to end"


async def test_to_end_what_is_over_sends_none_of_those_who_stay(scene: Scene) -> None:
    """In a crowd somebody's grace is always over: each time all of them would be sent."""
    process = scene.process(grace=0.01)
    await asyncio.gather(*(process.tracker.enter("a", str(n), "x") for n in range(100)))
    process.tracker.leave("a", "7", "x")
    await process.idle()
    await asyncio.sleep(0.02)
    sent = recorded(process)
    await process.tracker.sweep()
    assert scene.said("a")[-1] == ("left", "7")
    assert sent == [{"a": []}]
    assert process.heard == {}, "overtaken by another's event it would be in doubt, for nothing"


async def test_a_renewal_under_way_brings_back_nobody_who_left(scene: Scene) -> None:
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    real, on_its_way = process.store.hold, asyncio.Event()

    async def slow(*args: Any) -> Any:
        on_its_way.set()
        await asyncio.sleep(0.05)
        return await real(*args)

    process.store.hold = slow  # type: ignore[method-assign]
    renewing = asyncio.create_task(process.tracker.renew())
    await on_its_way.wait()
    process.tracker.leave("a", "ann", "x", at_once=True)
    await renewing
    await process.idle()
    assert await scene.users("a") == set()
    assert scene.said("a") == [("joined", "ann"), ("left", "ann")]


async def test_a_renewal_tells_where_each_scope_stands(scene: Scene) -> None:
    process = scene.process()
    await process.tracker.enter("a", "ann", "x")
    await process.tracker.enter("b", "ann", "x")
    await process.tracker.renew()
    assert process.heard == {one: scene.versions(one)[-1] for one in "ab"}


async def test_a_scope_that_is_watched_without_a_lease_is_looked_after(
    scene: Scene, eventually: Eventually
) -> None:
    """Where all who look on are invisible: they too see that a process died, and what was lost."""
    dead, watcher = scene.process(**SHORT), scene.process(**SHORT | {"renew": 60})
    await dead.tracker.enter("a", "ann", "x")
    watcher.tracker.watch("a")
    await dead.crash()
    await eventually(lambda: scene.said("a") == [("joined", "ann"), ("left", "ann")])
    await watcher.tracker.renew()
    assert watcher.heard == {"a": scene.versions("a")[-1]}
    assert await scene.users("a") == set()
    watcher.tracker.unwatch("a")
    watcher.heard.clear()
    await watcher.tracker.renew()
    assert watcher.heard == {}


async def test_to_watch_brings_nobody_and_keeps_nobody(scene: Scene) -> None:
    watcher, other = scene.process(), scene.process()
    watcher.tracker.watch("a")
    await watcher.tracker.renew()
    assert await scene.redis.keys() == []
    await other.tracker.enter("a", "ann", "x")
    await watcher.tracker.renew()
    await scene.pass_time(LEASE, "a")
    await watcher.tracker.renew()
    assert scene.said("a") == [("joined", "ann"), ("left", "ann")]
    assert await scene.redis.exists(*keys("a")[:3]) == 0


async def test_timers_outlive_an_error_of_any_kind(
    scene: Scene, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "SWEEP", 0.01)
    process = scene.process(lease=30, renew=0.01, grace=0.01)
    await process.tracker.enter("a", "ann", "x")
    real, errors = process.store.hold, [OSError("away"), ValueError("a mistake")]

    async def failing(*args: Any) -> Any:
        if errors:
            raise errors.pop()
        return await real(*args)

    process.store.hold = failing  # type: ignore[method-assign]
    await eventually(lambda: "a" in process.heard)
