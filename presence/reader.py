"""What pages and the admin read of presence: plain functions, for code that is not async.

Where Redis is away no page fails: numbers are as if nobody were there, and who is there is None.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import redis
from django.conf import settings
from redis.exceptions import RedisError

from presence.store import keys

logger = logging.getLogger(__name__)


class Lease(NamedTuple):
    """One connection of a user in a scope."""

    user: str
    connection: str


def counts(scopes: Sequence[str]) -> dict[str, int]:
    """How many users are in each scope."""
    try:
        with _redis().pipeline(transaction=False) as pipe:
            for scope in scopes:
                pipe.scard(keys(scope)[0])
            return dict(zip(scopes, pipe.execute(), strict=True))
    except RedisError as error:
        logger.warning("Presence can't be read: %s", error)
        return {}


def present(scope: str, users: Sequence[str]) -> set[str]:
    """Those of `users` who are in the scope."""
    if not users:
        return set()
    try:
        found = _redis().smismember(keys(scope)[0], list(users))
    except RedisError as error:
        logger.warning("Presence can't be read: %s", error)
        return set()
    return {user for user, is_in in zip(users, found, strict=True) if is_in}


def leases(scope: str) -> list[Lease] | None:
    """Every connection in the scope; None where that cannot be known now."""
    try:
        members: Any = _redis().zrange(keys(scope)[1], 0, -1)
    except RedisError as error:
        logger.warning("Presence can't be read: %s", error)
        return None
    parts = (member.decode().partition(":") for member in members)
    return [Lease(user, connection) for user, _, connection in parts]


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=1.0)
