"""How often one address or one person may do what costs us. Counted in Redis, for all processes.

A limit is written as "60/minute"; the empty string is no limit. Where Redis is away everything
passes: a missing counter must not keep people out.
"""

import asyncio
import logging
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from limits import RateLimitItem, parse
from limits.storage import RedisClusterStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

AWAY = (RedisError, RedisClusterException, OSError)


def allowed(action: str, limit: str, who: str) -> bool:
    """Count one `action` of `who`; False where that is more than `limit`."""
    if not limit:
        return True
    try:
        return _limiter().hit(_item(limit), action, who)
    except AWAY as error:
        logger.warning("Not counting %s, Redis is away: %s", action, error)
        return True


def forget(action: str, limit: str, who: str) -> None:
    """Begin to count anew: it was not what the limit is for."""
    try:
        _limiter().clear(_item(limit), action, who)
    except AWAY as error:
        logger.warning("Not counting %s, Redis is away: %s", action, error)


async def allowed_async(action: str, limit: str, who: str) -> bool:
    """`allowed`, without holding up the event loop."""
    return await asyncio.to_thread(allowed, action, limit, who)


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 household has."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ip_network((parsed, 64), strict=False))


def address_of(request: HttpRequest) -> str:
    """Whom the limits on addresses count. Behind a proxy the server has put the address right."""
    return network(request.META.get("REMOTE_ADDR"))


def too_many(request: HttpRequest, detail: str) -> HttpResponse:
    return render(request, "429.html", {"detail": detail}, status=429)


@cache
def _item(limit: str) -> RateLimitItem:
    return parse(limit)


@cache
def _limiter() -> SlidingWindowCounterRateLimiter:
    timeouts: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    if not settings.REDIS_CLUSTER:
        storage = RedisStorage(settings.REDIS_URL, key_prefix="throttle", **timeouts)
    else:
        scheme, _, rest = settings.REDIS_URL.partition("://")
        node = f"redis+cluster://{rest.partition('/')[0]}"
        timeouts |= {"ssl": scheme == "rediss", "retry": Retry(NoBackoff(), 0)}
        storage = RedisClusterStorage(node, key_prefix="throttle", **timeouts)
    return SlidingWindowCounterRateLimiter(storage)
