"""The scripts, one by one and many at once, on a real Valkey."""

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from presence.store import SCRIPTS, Movement, Store, changes_of, keys, source_of
from tests.support.sockets import RedisServer

USERS, LEASES, COUNTS, VERSION = range(4)


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis)


def said(changes: list[Movement]) -> list[tuple[str, str, int]]:
    return [(change.kind, change.user, change.online) for change in changes]


async def end_of(redis: Redis, scope: str, member: str) -> float:
    """Seconds until the lease ends, by Redis's clock."""
    seconds, microseconds = await redis.time()
    score = await redis.zscore(keys(scope)[LEASES], member)
    assert score is not None
    return float(score) / 1000 - seconds - microseconds / 1e6


async def end_now(redis: Redis, scope: str, *members: str) -> None:
    """The time of these leases is over."""
    await redis.zadd(keys(scope)[LEASES], dict.fromkeys(members, 1), xx=True)


# -- each script ------------------------------------------------------------------------------


async def test_only_the_first_lease_of_a_user_is_a_coming(store: Store) -> None:
    results = await store.hold({"a": ["ann:1", "ann:2", "bob:1"]}, 60)
    assert said(results["a"].changes) == [("joined", "ann", 1), ("joined", "bob", 2)]
    results = await store.hold({"a": ["bob:2", "ann:1"]}, 60)
    assert results["a"].changes == []
    assert (await store.state("a")).users == {"ann", "bob"}


async def test_only_the_last_lease_of_a_user_is_a_going(store: Store) -> None:
    await store.hold({"a": ["ann:1", "ann:2", "bob:1"]}, 60)
    assert (await store.leave({"a": ["ann:2"]}, 0))["a"].changes == []
    assert said((await store.leave({"a": ["ann:1"]}, 0))["a"].changes) == [("left", "ann", 1)]
    assert (await store.leave({"a": ["ann:1", "ann:2"]}, 0))["a"].changes == []
    assert (await store.state("a")).users == {"bob"}


async def test_a_lease_that_is_left_ends_after_the_grace(store: Store, redis: Redis) -> None:
    await store.hold({"a": ["ann:1"]}, 60)
    left = (await store.leave({"a": ["ann:1"]}, 20))["a"]
    assert left.changes == []
    assert left.next_end == pytest.approx(20, abs=2)
    assert await end_of(redis, "a", "ann:1") == pytest.approx(20, abs=10)
    await end_now(redis, "a", "ann:1")
    assert said((await store.hold({"a": []}, 60))["a"].changes) == [("left", "ann", 0)]


async def test_leaving_never_makes_a_lease_longer(store: Store, redis: Redis) -> None:
    await store.hold({"a": ["ann:1"]}, 30)
    await store.leave({"a": ["ann:1"]}, 500)
    assert await end_of(redis, "a", "ann:1") < 31


async def test_a_lease_that_was_never_taken_cannot_be_left(store: Store) -> None:
    assert (await store.leave({"a": ["ann:1"]}, 0))["a"].changes == []
    assert await store.state("a") == (frozenset(), 0)


async def test_renewing_restores_what_redis_has_lost(store: Store, redis: Redis) -> None:
    before = (await store.hold({"a": ["ann:1", "ann:2"]}, 60))["a"].version
    await redis.flushall()
    restored = (await store.hold({"a": ["ann:1", "ann:2"]}, 60))["a"]
    assert said(restored.changes) == [("joined", "ann", 1)]
    assert restored.version > before
    assert (await store.hold({"a": ["ann:1", "ann:2"]}, 60))["a"].changes == []


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("script", ["hold", "leave", "state"])
async def test_keys_that_something_else_has_overwritten_are_made_anew(
    store: Store, redis: Redis, which: int, script: str
) -> None:
    await store.hold({"a": ["ann:1", "bob:1"], "b": ["ann:1"]}, 60)
    await redis.set(keys("a")[which], "no such thing")
    match script:
        case "hold":
            await store.hold({"a": ["ann:1"]}, 60)
        case "leave":
            await store.leave({"a": ["ann:1"]}, 0)
        case "state":
            await store.state("a")
    await store.hold({"a": ["bob:1"]}, 60)
    assert "bob" in (await store.state("a")).users
    assert (await store.state("b")).users == {"ann"}


async def test_renewing_ends_what_others_left_behind(store: Store, redis: Redis) -> None:
    await store.hold({"a": ["ann:1", "bob:1"]}, 60)
    await end_now(redis, "a", "ann:1", "bob:1")
    assert said((await store.hold({"a": ["bob:1"]}, 60))["a"].changes) == [("left", "ann", 1)]


async def test_entering_ends_what_others_left_behind(store: Store, redis: Redis) -> None:
    """Else who comes into a room whose only process had died would see its ghosts."""
    await store.hold({"a": ["ann:1", "bob:1"]}, 60)
    await end_now(redis, "a", "ann:1", "bob:1")
    results = await store.hold({"a": ["bob:2"]}, 60)
    assert said(results["a"].changes) == [("left", "ann", 1)]  # and bob has never been away
    assert (await store.state("a")).users == {"bob"}


async def test_more_than_one_script_ends_at_once_ends_with_the_next(
    store: Store, redis: Redis
) -> None:
    members = [f"{n}:1" for n in range(1_500)]
    await store.hold({"a": members}, 60)
    await end_now(redis, "a", *members)
    first = (await store.hold({"a": []}, 60))["a"]
    assert (len(first.changes), first.next_end) == (1_000, 0)
    second = (await store.hold({"a": []}, 60))["a"]
    assert (len(second.changes), second.next_end) == (500, None)


async def test_a_result_says_when_the_next_lease_ends(store: Store) -> None:
    assert (await store.hold({"a": []}, 60))["a"].next_end is None
    await store.hold({"a": ["ann:1"]}, 300)
    results = await store.hold({"a": ["bob:1"]}, 100)
    assert results["a"].next_end == pytest.approx(100, abs=2)
    assert (await store.hold({"a": ["bob:1"]}, 400))["a"].next_end == pytest.approx(300, abs=20)


async def test_one_call_serves_many_scopes_and_mixes_none(store: Store) -> None:
    results = await store.hold({"a": ["ann:1"], "b": ["bob:1"], "ä öß": []}, 60)
    assert {scope: said(one.changes) for scope, one in results.items()} == {
        "a": [("joined", "ann", 1)],
        "b": [("joined", "bob", 1)],
        "ä öß": [],
    }
    assert await store.hold({}, 60) == {}


async def test_a_scope_that_fails_does_not_take_the_others_with_it(
    store: Store,
    redis: Redis,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("presence.store"), "filters", [])  # said before, maybe
    monkeypatch.setattr("presence.store._SPOILED", re.compile("(?!)"))  # nothing is mended
    await redis.set(keys("broken")[LEASES], "no sorted set")
    results = await store.hold({"a": ["ann:1"], "broken": ["ann:1"], "b": ["bob:1"]}, 60)
    assert results.keys() == {"a", "b"}
    assert "broken" in caplog.text
    with pytest.raises(ResponseError):
        await store.hold({"broken": ["ann:1"]}, 60)


async def test_a_server_that_does_not_know_the_scripts_is_told(store: Store, redis: Redis) -> None:
    await redis.script_flush()
    results = await store.hold({"a": ["ann:1"], "b": ["ann:1"]}, 60)
    assert [said(one.changes) for one in results.values()] == [[("joined", "ann", 1)]] * 2


async def test_what_a_script_said_before_another_was_unknown_is_not_lost(store: Store) -> None:
    """Redis restarts, or another process loads the script, in the middle of a round trip."""
    real, trips = store.ask, []

    async def half(calls: Mapping[str, tuple[str | int, ...]]) -> dict[str, Any]:
        trips.append([*calls])
        if len(trips) > 1:
            return await real(calls)
        return await real({"a": calls["a"]}) | {"b": NoScriptError()}

    store.ask = half  # type: ignore[method-assign]
    results = await store.hold({"a": ["ann:1"], "b": ["bob:1"]}, 60)
    assert {scope: said(one.changes) for scope, one in results.items()} == {
        "a": [("joined", "ann", 1)],
        "b": [("joined", "bob", 1)],
    }
    assert trips == [["a", "b"], ["b"]]


async def test_what_a_script_said_is_not_lost_where_the_second_round_trip_fails(
    store: Store,
) -> None:
    real, trips = store.ask, []

    async def half(calls: Mapping[str, tuple[str | int, ...]]) -> dict[str, Any]:
        trips.append([*calls])
        if len(trips) > 1:
            raise RedisConnectionError
        return await real({"a": calls["a"]}) | {"b": NoScriptError()}

    store.ask = half  # type: ignore[method-assign]
    results = await store.hold({"a": ["ann:1"], "b": ["bob:1"]}, 60)
    assert said(results["a"].changes) == [("joined", "ann", 1)]
    assert (results.keys(), trips) == ({"a"}, [["a", "b"], ["b"]])


async def test_the_source_of_a_script_is_sent_once(store: Store, redis: Redis) -> None:
    await redis.script_flush()
    await redis.config_resetstat()
    await store.hold({str(scope): ["ann:1"] for scope in range(20)}, 60)
    stats = await redis.info("commandstats")
    assert stats["cmdstat_eval"]["calls"] == 1


async def test_whom_a_scope_forgets_is_gone_with_all_leases_and_nobody_else_is(
    store: Store, redis: Redis
) -> None:
    crowd = [f"{n}:x" for n in range(2_500)]
    await store.hold({"a": ["1:early", *crowd, "11:x", "1:late"]}, 60)
    assert await redis.zcard(keys("a")[LEASES]) == 2_502
    changes, _, online, _ = await redis.eval(source_of("forget"), 4, *keys("a"), "1")
    assert said(changes_of(changes)) == [("left", "1", 2_499)]
    assert online == await redis.hlen(keys("a")[COUNTS]) == 2_499
    assert await redis.zcard(keys("a")[LEASES]) == 2_499
    changes, *_ = await redis.eval(source_of("forget"), 4, *keys("a"), "1")
    assert changes == []


# -- versions ---------------------------------------------------------------------------------


async def test_many_at_once_come_and_go_atomically(store: Store, redis: Redis) -> None:
    """Forty tasks, one scope: each user comes once and goes once, and no version is missing."""
    found: list[Movement] = []

    async def one(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(20):
            member = f"{chance.randrange(8)}:{chance.randrange(3)}"
            match chance.randrange(4):
                case 0:
                    results = await store.leave({"a": [member]}, 0)
                case 1:
                    results = await store.hold({"a": [member]}, 60)
                case 2:
                    await end_now(redis, "a", member)
                    results = await store.hold({"a": []}, 60)
                case _:
                    results = await store.hold({"a": [member]}, 60)
            found.extend(results["a"].changes)

    await asyncio.gather(*(one(seed) for seed in range(40)))
    found.sort(key=lambda change: change.version)
    assert [change.version for change in found] == list(
        range(found[0].version, found[0].version + len(found))
    )
    here: set[str] = set()
    for change in found:
        assert (change.user in here) == (change.kind == "left"), change
        here ^= {change.user}
        assert change.online == len(here)
    state = await store.state("a")
    assert state == (frozenset(here), found[-1].version)
    members = await redis.zrange(keys("a")[LEASES], 0, -1)
    counted = Counter(member.partition(b":")[0] for member in members)
    counts = await redis.hgetall(keys("a")[COUNTS])
    assert {user: int(count) for user, count in counts.items()} == counted
    assert {user.decode() for user in counted} == here


async def test_a_state_has_the_version_of_its_last_change(store: Store) -> None:
    for n in range(5):
        results = await store.hold({"a": [f"{n}:1"]}, 60)
        (change,) = results["a"].changes
        assert change.version == results["a"].version == (await store.state("a")).version
        assert change.online == len((await store.state("a")).users)


async def test_versions_go_up_when_redis_was_emptied(store: Store, redis: Redis) -> None:
    version = 0
    for _ in range(5):
        # as many as can come in one script
        changes = (await store.hold({"a": [f"{n}:1" for n in range(2_000)]}, 60))["a"].changes
        assert changes[0].version > version
        version = changes[-1].version
        assert (await store.state("a")).version == version < 2**53
        await redis.flushall()


# -- time -------------------------------------------------------------------------------------


async def test_a_lease_ends_by_itself(store: Store) -> None:
    await store.hold({"a": ["ann:1", "bob:1"]}, 600)
    await store.hold({"a": ["ann:1"]}, 0.001)
    await asyncio.sleep(0.01)
    assert said((await store.hold({"a": []}, 60))["a"].changes) == [("left", "ann", 1)]


async def test_what_nobody_is_left_to_end_goes_by_itself(store: Store, redis: Redis) -> None:
    """Pages read `users`; a process that died alone must not be seen in it for long."""
    await store.hold({"a": ["ann:1"]}, 100)
    await store.hold({"a": ["bob:1"]}, 50)
    lives = [await redis.pttl(name) for name in keys("a")]
    assert all(100_000 < life <= 102_000 for life in lives), lives


async def test_the_version_outlives_a_scope_that_is_empty(store: Store, redis: Redis) -> None:
    version = (await store.hold({"a": ["ann:1"]}, 60))["a"].version
    await store.leave({"a": ["ann:1"]}, 0)
    assert await redis.pttl(keys("a")[VERSION]) > 300_000
    assert await redis.exists(*keys("a")[:VERSION]) == 0
    assert (await store.hold({"a": ["ann:1"]}, 60))["a"].version == version + 2


async def test_the_clock_of_the_process_is_never_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`test_clocks.py` runs two processes whose clocks differ."""
    for script in SCRIPTS.glob("*.lua"):
        assert "'TIME'" not in script.read_text() or script.stem == "common"
    monkeypatch.setattr(time, "time", lambda: 0.0)
    results = await store.hold({"a": ["ann:1"]}, 60)
    assert results["a"].version > 1_700_000_000_000_000


# -- keys -------------------------------------------------------------------------------------


async def test_a_script_touches_the_keys_of_its_own_scope_only(
    valkey: RedisServer, redis: Redis, store: Store
) -> None:
    everything = {"a": ["ann:1"], "b": ["bob:1", "ann:1"]}
    async with Redis.from_url(valkey.url) as client, client.monitor() as monitor:
        await store.hold(everything, 60)
        await store.hold(everything, 60)
        await store.leave(everything, 30)
        await store.leave({"b": ["ann:1"]}, 0)
        await store.hold(dict.fromkeys(everything, ()), 60)
        await store.state("a")
        await redis.ping()
        touched: dict[str, set[str]] = {}
        scope = ""
        async with asyncio.timeout(20):
            while (command := await monitor.next_command())["command"] != "PING":
                words = command["command"].split()
                if words[0] == "EVALSHA":
                    names = words[3:7]
                    scope = names[0]
                    touched.setdefault(scope, set())
                elif command["client_type"] == "lua" and words[0] != "TIME":
                    touched[scope].add(words[1])
    assert touched == {keys(one)[0]: set(keys(one)) for one in everything}
    assert {re.sub(r"\{.*\}", "", name) for name in keys("a")} == {
        f"presence::{name}" for name in ("users", "leases", "counts", "version")
    }
