"""Presence for pages and the admin: plain functions, for code that is not async.

Where Redis is away no page fails: numbers are as if nobody were there, and who is there is None.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import redis
from redis.cluster import RedisCluster

from presence import clients
from presence.store import Change, changes_of, keys, source_of
from presence.wire import AWAY

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
    except AWAY as error:
        logger.warning("Presence can't be read: %s", error)
        return {}


def present(scope: str, users: Sequence[str]) -> set[str]:
    """Those of `users` who are in the scope."""
    if not users:
        return set()
    try:
        found = _redis().smismember(keys(scope)[0], list(users))
    except AWAY as error:
        logger.warning("Presence can't be read: %s", error)
        return set()
    return {user for user, is_in in zip(users, found, strict=True) if is_in}


def leases(scope: str) -> list[Lease] | None:
    """Every connection in the scope; None where that cannot be known now."""
    try:
        members: Any = _redis().zrange(keys(scope)[1], 0, -1)
    except AWAY as error:
        logger.warning("Presence can't be read: %s", error)
        return None
    parts = (member.decode().partition(":") for member in members)
    return [Lease(user, connection) for user, _, connection in parts]


def holds(scope: str, lease: Lease) -> bool | None:
    """Whether there is this lease; None where that cannot be known now."""
    try:
        return _redis().zscore(keys(scope)[1], ":".join(lease)) is not None
    except AWAY as error:
        logger.warning("Presence can't be read: %s", error)
        return None


def forget(user: str, scopes: Sequence[str]) -> dict[str, list[Change]]:
    """End all leases of `user` in these scopes, also those of a process that has died. Returns by
    scope what that has changed, to be announced."""
    try:
        with _redis().pipeline(transaction=False) as pipe:
            for scope in scopes:
                pipe.sismember(keys(scope)[0], user)
            there = [scope for scope, is_in in zip(scopes, pipe.execute(), strict=True) if is_in]
        with _redis().pipeline(transaction=False) as pipe:
            for scope in there:
                pipe.execute_command("EVAL", source_of("forget"), 4, *keys(scope), user)
            replies = dict(zip(there, pipe.execute(), strict=True))
    except AWAY as error:
        logger.warning("Presence can't be changed: %s", error)
        return {}
    return {scope: changes_of(changes) for scope, (changes, *_) in replies.items()}


@cache
def _redis() -> redis.Redis | RedisCluster:
    return clients.for_pages()
