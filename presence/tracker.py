"""This process's leases: taken when a connection comes, renewed while it lives."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from presence.store import Change, Store

logger = logging.getLogger(__name__)

Announce = Callable[[str, Sequence[Change]], None]
# What Redis's being away looks like from here.
AWAY = (RedisError, OSError, asyncio.TimeoutError)


class Tracker:
    """Holds leases for local connections and hands what changed to `announce(scope, changes)`.

    Redis may be away: a lease is kept here all the same, and the next renewal takes it there.
    """

    def __init__(
        self, store: Store, announce: Announce, *, lease: float, renew: float, grace: float
    ) -> None:
        self.store = store
        self._announce = announce
        self._lease = lease
        self._renew = renew
        self._grace = grace
        self._leases: dict[str, dict[str, None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None

    async def enter(self, scope: str, user: str, connection: str) -> int:
        """Take a lease. Returns how many the user has in the scope, here and elsewhere."""
        if self._timer is None:
            self._timer = asyncio.create_task(self._renew_for_ever())
        members = self._leases.setdefault(scope, {})
        members[f"{user}:{connection}"] = None
        try:
            changes, count = await self.store.enter(scope, user, connection, self._lease)
        except AWAY as error:
            logger.warning("Presence: could not enter, will retry: %s", error)
            return sum(member.startswith(f"{user}:") for member in members)
        self._announce(scope, changes)
        return count

    def leave(self, scope: str, user: str, connection: str) -> None:
        """Give a lease back; it ends after the grace, and is announced then."""
        member = f"{user}:{connection}"
        members = self._leases.get(scope, {})
        members.pop(member, None)
        if not members:
            self._leases.pop(scope, None)
        self._spawn(self._leave(scope, member))

    async def close(self, grace: float) -> None:
        """Give all leases back; `grace` seconds are there for the users to turn up elsewhere."""
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        leases, self._leases = self._leases, {}
        for scope, members in leases.items():
            try:
                await self.store.leave(scope, members, grace)
            except AWAY:
                return  # they end by themselves

    async def _leave(self, scope: str, member: str) -> None:
        try:
            self._announce(scope, await self.store.leave(scope, [member], self._grace))
            if self._grace:
                await asyncio.sleep(self._grace + 0.05)
                self._announce(scope, await self.store.reap(scope))
        except AWAY as error:
            logger.warning("Presence: could not leave, the lease will end by itself: %s", error)

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._renew)
            try:
                await self.renew()
            except AWAY as error:
                logger.warning("Presence: could not renew, will retry: %s", error)
            except Exception:
                logger.exception("Presence: a renewal failed")

    async def renew(self) -> None:
        """Renew every lease in one round trip, and end what a dead process left in our scopes."""
        leases = {scope: list(members) for scope, members in self._leases.items()}
        if leases:
            for scope, changes in (await self.store.renew(leases, self._lease)).items():
                self._announce(scope, changes)

    def _spawn(self, work: "asyncio.coroutines.Coroutine[None, None, None]") -> None:  # type: ignore[name-defined]
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
