"""Who is where, in Redis. Scopes and users are any strings without ":", "{" or "}", and not empty;
rooms are unknown here.

Each function runs one atomic Lua script a scope, on that scope's keys alone. They share a hash tag,
so that it runs on Redis Cluster too. A script that changes who is here returns what changed, to its
caller alone: so each coming and going is announced once, by whoever caused or found it.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError

logger = logging.getLogger(__name__)

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


class Result(NamedTuple):
    """What a script changed in a scope, and how it left it."""

    changes: list[Change]
    version: int
    next_end: float | None  # seconds until a lease ends, unless it is renewed; None: there is none


# By scope, members as "user:connection".
Members = Mapping[str, Sequence[str]]


class Store:
    """Presence in one Redis (or cluster). Raises redis.exceptions.RedisError where it can't.

    Where only some scopes can't be reached (a node of a cluster is down) those are left out.
    """

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis = redis

    async def enter(self, members: Members, lease: float) -> dict[str, Result]:
        """Take leases of `lease` seconds, and end those whose time is over."""
        return _results(await self._run("enter", members, _ms(lease)))

    async def leave(self, members: Members, grace: float) -> dict[str, Result]:
        """Let leases end in `grace` seconds, and end those whose time is over."""
        return _results(await self._run("leave", members, _ms(grace)))

    async def renew(self, members: Members, lease: float) -> dict[str, Result]:
        """Renew leases, restoring those that were lost, and end those whose time is over."""
        return _results(await self._run("renew", members, _ms(lease)))

    async def reap(self, scopes: Iterable[str]) -> dict[str, Result]:
        """End the leases whose time is over."""
        return _results(await self._run("reap", dict.fromkeys(scopes, ())))

    async def state(self, scope: str) -> State:
        users, version = (await self._run("state", {scope: ()}))[scope]
        return State(frozenset(user.decode() for user in users), version)

    async def _run(self, script: str, members: Members, *first: int) -> dict[str, Any]:
        """One call a scope, all in one round trip (on a cluster: one to each node)."""
        source, sha = _script(script)
        calls: dict[str, tuple[str | int, ...]] = {
            scope: (sha, len(keys(scope)), *keys(scope), *first, *each)
            for scope, each in members.items()
        }
        replies = await self._call(calls)
        unknown = [scope for scope, reply in replies.items() if isinstance(reply, NoScriptError)]
        if unknown:  # a new server; only those, since the others have changed and said what
            await self._redis.script_load(source)
            replies |= await self._call({scope: calls[scope] for scope in unknown})
        failed = {scope: one for scope, one in replies.items() if isinstance(one, Exception)}
        if failed and len(failed) == len(replies):
            raise next(iter(failed.values()))
        for scope, error in failed.items():
            logger.warning("Presence: %s failed in scope %s: %s", script, scope, error)
        return {scope: reply for scope, reply in replies.items() if scope not in failed}

    async def _call(self, calls: Mapping[str, tuple[str | int, ...]]) -> dict[str, Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for arguments in calls.values():
                # not `evalsha`, which a cluster's pipeline refuses; this finds the keys' node
                pipe.execute_command("EVALSHA", *arguments)
            replies = await pipe.execute(raise_on_error=False)
        return dict(zip(calls, replies, strict=True))


@cache
def _script(name: str) -> tuple[str, str]:
    """A script's source, and what Redis calls it."""
    source = (SCRIPTS / f"{name}.lua").read_text()
    source = (SCRIPTS / "common.lua").read_text() + source
    return source, sha1(source.encode(), usedforsecurity=False).hexdigest()


def keys(scope: str) -> list[str]:
    """A scope's keys; all in one slot of a cluster."""
    return [f"presence:{{{scope}}}:{name}" for name in ("users", "leases", "counts", "version")]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _results(replies: Mapping[str, list[Any]]) -> dict[str, Result]:
    return {
        scope: Result(
            [
                Change(kind.decode(), user.decode(), place, online)
                for kind, user, place, online in changes
            ],
            version,
            None if ends < 0 else ends / 1000,
        )
        for scope, (changes, version, ends) in replies.items()
    }
