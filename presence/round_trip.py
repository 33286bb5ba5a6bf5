"""Many commands in one round trip: to the one Redis, or to each node of a cluster at once."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ClusterError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

# What Redis's being away looks like from here.
AWAY = (RedisError, RedisClusterException, OSError)
# A node is gone, or has lost what it had to another.
MOVED = (RedisConnectionError, RedisTimeoutError, ClusterError, RedisClusterException, OSError)
Call = tuple[str | int, ...]  # the command, the script, how many keys, the first key, …
Calls = Mapping[str, Call]  # by scope


async def replies(redis: Redis | RedisCluster, calls: Calls) -> dict[str, Any]:
    """What was answered to each call, which may be an error. Raises one of AWAY."""
    if isinstance(redis, RedisCluster):
        return await _from_each_node(redis, calls)
    return await _from_one(redis, calls)


async def _from_each_node(redis: RedisCluster, calls: Calls) -> dict[str, Any]:
    """A pipeline a node. In one for all, what the others have answered would be lost where one of
    them is down: and only there it says who came and went."""
    await redis.initialize()
    found: dict[str, Any] = {}
    nodes: defaultdict[Any, dict[str, Call]] = defaultdict(dict)
    for scope, call in calls.items():
        try:
            nodes[redis.get_node_from_key(str(call[3]))][scope] = call
        except RedisClusterException as error:  # no node has these keys now
            found[scope] = error
    for some in await asyncio.gather(*(_or_error(redis, some) for some in nodes.values())):
        found |= some
    if any(isinstance(reply, MOVED) for reply in found.values()):
        # One may have taken over. Not `aclose`: that cuts off what others have just asked the nodes
        # that answer, and who came and went is lost.
        with suppress(*AWAY):  # then the next call finds the same, and asks again
            await redis.nodes_manager.initialize()
    return found


async def _or_error(redis: RedisCluster, calls: Calls) -> dict[str, Any]:
    try:
        return await _from_one(redis, calls)
    except AWAY as error:
        return dict.fromkeys(calls, error)


async def _from_one(redis: Redis | RedisCluster, calls: Calls) -> dict[str, Any]:
    async with redis.pipeline(transaction=False) as pipe:
        for call in calls.values():
            # not `evalsha`, which a cluster's pipeline refuses; this finds the keys' node
            pipe.execute_command(*call)
        return dict(zip(calls, await pipe.execute(raise_on_error=False), strict=True))
