"""Who is where, in Redis. Scopes and users are any strings without ":" ; rooms are unknown here.

Each function is one atomic Lua script on one scope's keys, which share a hash tag, so that it runs
on Redis Cluster too. A script that changes who is here returns what changed, to its caller alone:
so each coming and going is announced once, by whoever caused or found it.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis

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


class Store:
    """Presence in one Redis (or cluster). Raises redis.exceptions.RedisError where it can't."""

    def __init__(self, redis: "Redis[Any]") -> None:
        self._redis = redis
        self._scripts = {
            path.stem: redis.register_script(_source(path.stem))
            for path in SCRIPTS.glob("*.lua")
            if path.stem != "common"
        }

    async def enter(
        self, scope: str, user: str, connection: str, lease: float
    ) -> tuple[list[Change], int]:
        """Take a lease of `lease` seconds; also returns how many leases the user has here."""
        args = [user, f"{user}:{connection}", _ms(lease)]
        changes, count = await self._run("enter", scope, args)
        return _changes(changes), count

    async def leave(self, scope: str, members: Iterable[str], grace: float) -> list[Change]:
        """Let leases ("user:connection") end in `grace` seconds."""
        return _changes(await self._run("leave", scope, [_ms(grace), *members]))

    async def renew(
        self, leases: dict[str, Sequence[str]], lease: float
    ) -> dict[str, list[Change]]:
        """Renew each scope's leases, all in one round trip."""
        # Two at least: a pipeline runs scripts by their hash, and loads them where they are missing.
        async with self._redis.pipeline(transaction=False) as pipe:
            for scope, members in leases.items():
                await self._scripts["renew"](_keys(scope), [_ms(lease), *members], client=pipe)
            replies = await pipe.execute()
        return {scope: _changes(reply) for scope, reply in zip(leases, replies, strict=True)}

    async def reap(self, scope: str) -> list[Change]:
        """End the leases whose time is over."""
        return _changes(await self._run("reap", scope, []))

    async def state(self, scope: str) -> State:
        users, version = await self._run("state", scope, [])
        return State(frozenset(user.decode() for user in users), version)

    async def _run(self, script: str, scope: str, args: list[Any]) -> Any:
        return await self._scripts[script](_keys(scope), args)


@cache
def _source(name: str) -> str:
    return (SCRIPTS / "common.lua").read_text() + (SCRIPTS / f"{name}.lua").read_text()


def _keys(scope: str) -> list[str]:
    return [f"presence:{{{scope}}}:{name}" for name in ("users", "leases", "counts", "version")]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _changes(reply: list[list[Any]]) -> list[Change]:
    return [
        Change(kind.decode(), user.decode(), version, online)
        for kind, user, version, online in reply
    ]
