"""Presence for pages and the admin: for code that is not async.

Where Redis is away no page fails: numbers are as if nobody were there, and who is there is None.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from redis import Redis
from redis.cluster import RedisCluster

from presence.round_trip import AWAY
from presence.store import KEYS, Movement, Prefix, changes_of, keys, source_of

logger = logging.getLogger(__name__)


class Lease(NamedTuple):
    """One connection of a user in a scope."""

    user: str
    connection: str


class Reader:
    """`redis` gives the client, and `prefix` what keys begin with, as a Store's does."""

    def __init__(
        self, redis: Callable[[], Redis | RedisCluster], prefix: Prefix = lambda: ""
    ) -> None:
        self._redis = redis
        self._prefix = prefix

    def counts(self, scopes: Sequence[str]) -> dict[str, int]:
        """How many users are in each scope."""
        with _may_be_away(), self._redis().pipeline(transaction=False) as pipe:
            for scope in scopes:
                pipe.scard(keys(scope, self._prefix())[0])
            return dict(zip(scopes, pipe.execute(), strict=True))
        return {}

    def present(self, scope: str, users: Sequence[str]) -> set[str]:
        """Those of `users` who are in the scope."""
        if not users:
            return set()
        with _may_be_away():
            found = self._redis().smismember(keys(scope, self._prefix())[0], list(users))
            return {user for user, is_in in zip(users, found, strict=True) if is_in}
        return set()

    def leases(self, scope: str) -> list[Lease] | None:
        """Every connection in the scope; None where that cannot be known now."""
        with _may_be_away():
            members: Any = self._redis().zrange(keys(scope, self._prefix())[1], 0, -1)
            parts = (member.decode().partition(":") for member in members)
            return [Lease(user, connection) for user, _, connection in parts]
        return None

    def holds(self, scope: str, lease: Lease) -> bool | None:
        """Whether there is this lease; None where that cannot be known now."""
        with _may_be_away():
            return self._redis().zscore(keys(scope, self._prefix())[1], ":".join(lease)) is not None
        return None

    def forget(self, user: str, scopes: Sequence[str]) -> dict[str, list[Movement]]:
        """End all leases of `user` in these scopes, also those of a process that has died.
        Returns by scope what that has changed, to be announced."""
        with _may_be_away("Presence can't be changed: %s"):
            with self._redis().pipeline(transaction=False) as pipe:
                for scope in scopes:
                    pipe.sismember(keys(scope, self._prefix())[0], user)
                there = [
                    scope for scope, is_in in zip(scopes, pipe.execute(), strict=True) if is_in
                ]
            with self._redis().pipeline(transaction=False) as pipe:
                for scope in there:
                    pipe.execute_command(
                        "EVAL", source_of("forget"), KEYS, *keys(scope, self._prefix()), user
                    )
                replies = dict(zip(there, pipe.execute(), strict=True))
            return {scope: changes_of(changes) for scope, (changes, *_) in replies.items()}
        return {}


@contextmanager
def _may_be_away(warning: str = "Presence can't be read: %s") -> Iterator[None]:
    """Where Redis is away that is logged, and the code goes on behind the block."""
    try:
        yield
    except AWAY as error:
        logger.warning(warning, error)
