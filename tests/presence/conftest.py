"""A Valkey of these tests' own: they empty it, stop it in its tracks, and read its statistics."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.presence.cluster import cluster
from tests.presence.processes import Scene
from tests.support.sockets import RedisServer

__all__ = ["cluster"]


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("presence") / "valkey")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def redis(valkey: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = Redis.from_url(valkey.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def scene(valkey: RedisServer, redis: Redis) -> AsyncIterator[Scene]:
    """Where processes share a Redis and tell each other what they announce."""
    made = Scene(valkey.url)
    yield made
    await made.close()


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """Wait until an (async) condition holds, and return what it returned."""

    async def wait(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.02)

    return wait
