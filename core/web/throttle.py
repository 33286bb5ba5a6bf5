"""How often one address or one person may do what costs us. Counted in Redis, for all processes.

A limit is written as "60/minute"; the empty string is no limit. While Redis is away, or full and
takes no counts, or PostgreSQL has not told yet what our counters are called (core/redis/),
each process counts by itself: nobody is kept out by a missing counter, and nobody may try passwords
without end.
"""

import logging
from functools import cache, lru_cache
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

from core.environment import service_url
from core.redis import installation
from core.trouble import Trouble
from core.web.counts import LocalCounts

logger = logging.getLogger(__name__)

AWAY = (RedisError, RedisClusterException, OSError)

counting = Trouble(logger, "Redis does not count, so each process does")
alone = LocalCounts()  # meanwhile


def allowed(action: str, limit: str, who: str) -> bool:
    """Count one `action` of `who`; False where that is more than `limit`."""
    if not limit:
        return True
    try:
        is_allowed = limiter(installation.prefix()).hit(_item(limit), action, who)
        counting.over()
        return is_allowed
    except AWAY as error:
        counting.met(f"{action}: {error}")
        return alone.hit(_item(limit), action, who)


def forget(action: str, limit: str, who: str) -> None:
    """Begin to count anew: it was not what the limit is for."""
    alone.clear(_item(limit), action, who)
    try:
        limiter(installation.prefix()).clear(_item(limit), action, who)
    except AWAY as error:
        counting.met(f"{action}: {error}")


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


@lru_cache(maxsize=1)
def limiter(prefix: str) -> SlidingWindowCounterRateLimiter:
    timeouts: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    if not settings.REDIS_CLUSTER:
        storage = RedisStorage(settings.REDIS_URL, key_prefix=f"{prefix}throttle", **timeouts)
    else:
        url = service_url.redis(settings.REDIS_URL)
        node = f"redis+cluster://{url.place}"  # the rest apart: it would leave "%40" in a password
        timeouts |= {"username": url.user or None, "password": url.password or None}
        timeouts |= {"ssl": url.has_tls, "retry": Retry(NoBackoff(), 0)}
        storage = RedisClusterStorage(node, key_prefix=f"{prefix}throttle", **timeouts)
    return SlidingWindowCounterRateLimiter(storage)
