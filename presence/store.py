"""Who is where, in Redis. Scopes and users are any strings without ":" ; rooms are unknown here.

Each function runs one atomic Lua script a scope, on that scope's keys alone. They share a hash tag,
so that it runs on Redis Cluster too. A script that changes who is here returns what changed, to its
caller alone: so each coming and going is announced once, by whoever caused or found it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

SCRIPTS = Path(__file__).parent / "scripts"


class Change(NamedTuple):
    """Somebody came or went. `version` is one more than that of the change before."""

    kind: str  # "joined" or "left"
    user: str
    version: int
    online: int


class State(NamedTuple):
    users: frozenset[str]
    version: int


# By scope, members as "user:connection".
Members = Mapping[str, Sequence[str]]


class Store:
    """Presence in one Redis (or cluster). Raises redis.exceptions.RedisError where it can't."""

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis = redis
        self._scripts = {
            path.stem: redis.register_script(_source(path.stem))
            for path in SCRIPTS.glob("*.lua")
            if path.stem != "common"
        }

    async def enter(
        self, members: Members, lease: float
    ) -> tuple[dict[str, list[Change]], dict[str, dict[str, int]]]:
        """Take leases of `lease` seconds. Also returns, by scope and member, how many leases the
        member's user has there."""
        replies = await self._run("enter", members, _ms(lease))
        counts = {
            scope: dict(zip(members[scope], each, strict=True))
            for scope, (_, each) in replies.items()
        }
        return {scope: _changes(reply) for scope, (reply, _) in replies.items()}, counts

    async def leave(self, members: Members, grace: float) -> dict[str, list[Change]]:
        """Let leases end in `grace` seconds, and end those whose time is over."""
        return _by_scope(await self._run("leave", members, _ms(grace)))

    async def renew(self, members: Members, lease: float) -> dict[str, list[Change]]:
        """Renew leases, restoring those that were lost, and end those whose time is over."""
        return _by_scope(await self._run("renew", members, _ms(lease)))

    async def reap(self, scopes: Iterable[str]) -> dict[str, list[Change]]:
        """End the leases whose time is over."""
        return _by_scope(await self._run("reap", dict.fromkeys(scopes, ())))

    async def state(self, scope: str) -> State:
        users, version = (await self._run("state", {scope: ()}))[scope]
        return State(frozenset(user.decode() for user in users), version)

    async def _run(self, script: str, members: Members, *first: int) -> dict[str, Any]:
        """One call a scope, all in one round trip (on a cluster: at once, one to a node)."""
        run = self._scripts[script]
        calls: list[tuple[list[str], list[str | int]]] = [
            (keys(scope), [*first, *each]) for scope, each in members.items()
        ]
        if isinstance(self._redis, RedisCluster):  # whose pipelines run no scripts
            replies = await asyncio.gather(*(run(names, arguments) for names, arguments in calls))
        else:
            async with self._redis.pipeline(transaction=False) as pipe:
                for names, arguments in calls:
                    await run(names, arguments, client=pipe)
                replies = await pipe.execute()
        return dict(zip(members, replies, strict=True))


@cache
def _source(name: str) -> str:
    return (SCRIPTS / "common.lua").read_text() + (SCRIPTS / f"{name}.lua").read_text()


def keys(scope: str) -> list[str]:
    """A scope's keys; all in one slot of a cluster."""
    return [f"presence:{{{scope}}}:{name}" for name in ("users", "leases", "counts", "version")]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _by_scope(replies: dict[str, list[list[Any]]]) -> dict[str, list[Change]]:
    return {scope: _changes(reply) for scope, reply in replies.items()}


def _changes(reply: list[list[Any]]) -> list[Change]:
    return [
        Change(kind.decode(), user.decode(), version, online)
        for kind, user, version, online in reply
    ]
