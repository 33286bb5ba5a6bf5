"""Clients of what the settings name: a Redis, or a Redis Cluster of which REDIS_URL is one node."""

from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis import asyncio as aioredis
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry


def _is_cluster() -> bool:
    return getattr(settings, "REDIS_CLUSTER", False)


def for_store() -> aioredis.Redis | AsyncRedisCluster:
    """For a Store."""
    within: dict[str, Any] = {"socket_timeout": 2, "socket_connect_timeout": 2}
    if _is_cluster():
        return AsyncRedisCluster.from_url(
            settings.REDIS_URL,
            require_full_coverage=False,  # a node that is down takes its own scopes only
            retry=AsyncRetry(NoBackoff(), 0),  # which would cut off the calls to the other nodes
            **within,
        )
    retry = AsyncRetry(ExponentialBackoff(cap=0.5, base=0.05), 2)
    return aioredis.Redis.from_url(settings.REDIS_URL, retry=retry, **within)


@cache
def for_pages() -> redis.Redis | RedisCluster:
    """For a Reader. A page waits for Redis a second at most, and tries once."""
    within: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    if _is_cluster():
        once = Retry(NoBackoff(), 0)
        return RedisCluster.from_url(
            settings.REDIS_URL, require_full_coverage=False, retry=once, **within
        )
    return redis.Redis.from_url(settings.REDIS_URL, **within)
