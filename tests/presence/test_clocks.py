"""Processes whose clocks are minutes apart agree: time is Redis's."""

import json
import subprocess
import sys

import pytest
from redis.asyncio import Redis

from presence.store import Store, keys
from tests.support.databases import ROOT
from tests.support.sockets import RedisServer

# A process of its own, since a clock is a whole process's.
OTHER = """
import asyncio, json, sys, time

def shifted(read, by):
    return lambda: read() + by

url, ahead = sys.argv[1], float(sys.argv[2])
true_time = time.time()
for name in ("time", "monotonic"):
    setattr(time, name, shifted(getattr(time, name), ahead))
    nanoseconds = name + "_ns"
    setattr(time, nanoseconds, shifted(getattr(time, nanoseconds), int(ahead * 10**9)))
assert abs(time.time() - true_time - ahead) < 60

from redis.asyncio import Redis
from presence.store import Store

async def main():
    async with Redis.from_url(url) as redis:
        store = Store(redis)
        results = await store.hold({"a": ["other:1"]}, 60)
    changes = [[one.kind, one.user, one.version] for one in results["a"].changes]
    print(json.dumps([changes, results["a"].next_end]))

asyncio.run(main())
"""


def other(url: str, ahead: float) -> tuple[list[tuple[str, str, int]], float]:
    done = subprocess.run(
        [sys.executable, "-c", OTHER, url, str(ahead)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    changes, next_end = json.loads(done.stdout)
    return [tuple(change) for change in changes], next_end


@pytest.mark.parametrize("ahead", [300.0, -300.0])
async def test_two_processes_five_minutes_apart(
    valkey: RedisServer, redis: Redis, ahead: float
) -> None:
    store = Store(redis)
    results = await store.hold({"a": ["own:1"]}, 60)
    version = results["a"].version
    changes, next_end = other(valkey.url, ahead)
    assert changes == [("joined", "other", version + 1)]
    assert 0 < next_end <= 60
    # Neither ends the other's lease, and none is longer or shorter for where it was taken.
    assert (await store.hold({"a": ["own:1"]}, 60))["a"].changes == []
    assert other(valkey.url, ahead)[0] == []
    leases = dict(await redis.zrange(keys("a")[1], 0, -1, withscores=True))
    assert leases.keys() == {b"own:1", b"other:1"}
    seconds, _ = await redis.time()
    assert all(0 < score / 1000 - seconds <= 61 for score in leases.values())
    assert await store.state("a") == ({"own", "other"}, version + 1)
