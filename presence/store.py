"""Who is where, in Redis. Scopes and users are any strings without ":", "{" or "}", and not empty;
rooms are unknown here.

Each function runs one atomic Lua script a scope, on that scope's keys alone. They share a hash tag,
so that it runs on Redis Cluster too. A script that changes who is here returns what changed, to its
caller alone: so each coming and going is announced once, by whoever caused or found it.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, ResponseError

from presence.round_trip import AWAY, Call, Calls, replies

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "scripts"
NAMES = ("users", "leases", "counts", "version")
KEYS = len(NAMES)
_SPOILED = re.compile("WRONGTYPE|user_script|not an integer")

Prefix = Callable[[], str]


class Movement(NamedTuple):
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

    changes: list[Movement]
    version: int
    online: int
    next_end: float | None  # seconds until a lease ends, unless it is renewed; None: there is none


# By scope, members as "user:connection".
Members = Mapping[str, Sequence[str]]


class Store:
    """Presence in one Redis (or cluster). Raises one of AWAY where it can't.

    Where only some scopes can't be reached (a node of a cluster is down) those are left out.
    `prefix` gives what all keys begin with, for several projects on one Redis; asked at each call,
    it may raise one of AWAY, too. Where it has changed, that is as if Redis had been emptied.
    """

    def __init__(self, redis: Redis | RedisCluster, prefix: Prefix = lambda: "") -> None:
        self._redis = redis
        self._prefix = prefix

    async def hold(self, members: Members, lease: float) -> dict[str, Result]:
        """Take leases of `lease` seconds, renew them, or restore those that were lost; then end
        those whose time is over: with no members, only that."""
        return _results(await self._run("hold", members, int(lease * 1000)))

    async def leave(self, members: Members, grace: float) -> dict[str, Result]:
        """Let leases end in `grace` seconds, and end those whose time is over."""
        return _results(await self._run("leave", members, int(grace * 1000)))

    async def state(self, scope: str) -> State:
        users, version = (await self._run("state", {scope: ()}))[scope]
        return State(frozenset(user.decode() for user in users), version)

    async def _run(self, script: str, members: Members, *milliseconds: int) -> dict[str, Any]:
        """One call a scope, all in one round trip (on a cluster: one to each node)."""
        source, sha = script_of(script)
        prefix = self._prefix()
        calls: dict[str, Call] = {
            scope: ("EVALSHA", sha, KEYS, *keys(scope, prefix), *milliseconds, *each)
            for scope, each in members.items()
        }
        found = await self.ask(calls)
        # A new server; only what it did not know, since the others have changed and said what.
        while unknown := [scope for scope, one in found.items() if isinstance(one, NoScriptError)]:
            again = {scope: calls[scope] for scope in unknown}
            # Its node keeps the source, and knows the rest. Not SCRIPT LOAD: on a cluster that goes
            # to all nodes, and fails where one is down.
            again[unknown[0]] = ("EVAL", source, *calls[unknown[0]][2:])
            try:
                found |= await self.ask(again)
            except AWAY as error:
                found |= dict.fromkeys(unknown, error)
        spoiled = [scope for scope, one in found.items() if _is_spoiled(one)]
        if spoiled:
            logger.warning("Presence: the keys of %d scopes are not ours, made anew.", len(spoiled))
            try:
                await self.ask({scope: ("DEL", *keys(scope, prefix)) for scope in spoiled})
                found |= await self.ask({scope: calls[scope] for scope in spoiled})
            except AWAY as error:
                found |= dict.fromkeys(spoiled, error)
        failed = {scope: one for scope, one in found.items() if isinstance(one, Exception)}
        if failed and len(failed) == len(found):
            raise next(iter(failed.values()))
        if failed:
            scope, why = next(iter(failed.items()))
            others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            logger.warning("Presence: %s failed in scope %s%s: %s", script, scope, others, why)
        return {scope: reply for scope, reply in found.items() if scope not in failed}

    async def ask(self, calls: Calls) -> dict[str, Any]:
        return await replies(self._redis, calls)


def _is_spoiled(reply: Any) -> bool:
    """Whether the script has found something in its keys that it never puts there. Each process
    holds its people again with the next renewal, as after a loss."""
    return isinstance(reply, ResponseError) and _SPOILED.search(str(reply)) is not None


@cache
def source_of(script: str) -> str:
    return (SCRIPTS / "common.lua").read_text() + (SCRIPTS / f"{script}.lua").read_text()


@cache
def script_of(name: str) -> tuple[str, str]:
    """A script's source, and what Redis calls it."""
    source = source_of(name)
    return source, sha1(source.encode(), usedforsecurity=False).hexdigest()


def keys(scope: str, prefix: str = "") -> list[str]:
    """A scope's keys; all in one slot of a cluster, if there is no brace in `prefix`."""
    return [f"{prefix}presence:{{{scope}}}:{name}" for name in NAMES]


def changes_of(replies: Iterable[Any]) -> list[Movement]:
    return [
        Movement(kind.decode(), user.decode(), place, online)
        for kind, user, place, online in replies
    ]


def _results(replies: Mapping[str, list[Any]]) -> dict[str, Result]:
    return {
        scope: Result(changes_of(changes), version, here, None if ends < 0 else ends / 1000)
        for scope, (changes, version, here, ends) in replies.items()
    }
