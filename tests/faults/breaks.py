"""Hooks in a server under test: what it tells the harness, and parts of it broken on purpose."""

import asyncio
import faulthandler
import logging
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha1
from typing import Any
from uuid import uuid4

import msgspec

logger = logging.getLogger(__name__)
_true_time = time.time

CLOSED_SLOW = "faults: closes as too slow: "


def log_closings() -> None:
    """Have the server log whom it closes as too slow: a client that does not read cannot tell."""
    from chat.live.connection import Connection
    from chat.protocol.errors import Close

    close = Connection.close

    def logged(self: Connection, code: Close, detail: str = "") -> None:
        if code == Close.TOO_SLOW and not self.is_closing:
            logger.warning("%s%d", CLOSED_SLOW, self.user.id)
        close(self, code, detail)

    Connection.close = logged  # type: ignore[method-assign]


def fill_soon() -> None:
    """Small send buffers: what a client does not read fills its outbox in a second or two."""
    from core.daphne.wire import WiredServer

    create_application = WiredServer.create_application

    def small(self: Any, protocol: Any, scope: dict[str, Any]) -> Any:
        handle = getattr(protocol.transport, "socket", None)
        if scope["type"] == "websocket" and handle is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        return create_application(self, protocol, scope)

    WiredServer.create_application = small  # type: ignore[method-assign]


def set_clock(ahead: float) -> None:
    """This process's idea of the time of day; `monotonic` has none."""
    from django.utils import timezone

    wall, now = time.time, timezone.now
    time.time = lambda: wall() + ahead
    time.time_ns = lambda: int((wall() + ahead) * 1e9)
    timezone.now = lambda: now() + timedelta(seconds=ahead)


def show_what_hangs() -> None:
    """On SIGUSR1 the server writes where each thread and each task stands."""

    def show(*_: object) -> None:
        faulthandler.dump_traceback(all_threads=True)
        for task in asyncio.all_tasks(asyncio.get_event_loop()):
            task.print_stack(file=sys.stderr)

    signal.signal(signal.SIGUSR1, show)


def holes() -> None:
    """The feed sees no holes: whatever comes later than its head is next in line."""
    from chat.live.tail import Tail

    take = Tail.take

    def take_all(self: Any, changes: Any) -> list[Any]:
        ready = []
        for change in sorted(changes, key=lambda change: change.pos):
            if self.opened and change.pos > self.head:
                self.head = change.pos - 1
            ready += take(self, [change])
        return ready

    Tail.take = take_all  # type: ignore[method-assign]


def idempotency() -> None:
    """Each post is written under a `client_id` of its own; only its frame bears the sender's."""
    from chat.log import apply, posts
    from chat.protocol.changes import Change

    post_all = posts.post_all

    def without_idempotency(writes: Any) -> list[Any]:
        asked = [write.command.client_id for write in writes]
        fresh = [uuid4() for _ in writes]
        outcomes = post_all(
            [
                write._replace(command=msgspec.structs.replace(write.command, client_id=new))
                for write, new in zip(writes, fresh, strict=True)
            ]
        )
        return [
            outcome._replace(state=outcome.state.replace(str(new).encode(), str(old).encode()))
            if isinstance(outcome, Change)
            else outcome
            for outcome, new, old in zip(outcomes, fresh, asked, strict=True)
        ]

    apply.post_all = without_idempotency  # type: ignore[attr-defined]


def heads() -> None:
    """Heads are never compared with the database."""
    from chat.live.repairs import Repairs

    async def compare(self: Any) -> None:
        pass

    Repairs.compare = compare  # type: ignore[method-assign]


def catchup() -> None:
    """Whoever comes back is given a fresh page, however little was missed."""
    from chat.live.hub import Hub

    async def catch_up(self: Any, feed: Any, cursor: int) -> None:
        pass

    Hub.catch_up = catch_up  # type: ignore[assignment]


def repairs() -> None:
    """What the process itself has missed is never filled in: everybody gets a fresh page."""
    from chat.log import history

    since = history.since

    def too_much(*args: Any, **options: Any) -> Any:
        return since(*args, **options)._replace(complete=False)

    history.since = too_much


def reaping() -> None:
    """Nobody ends the leases of others."""
    _change_scripts(r"(?m)^reap\(\)$", "")


def restoring() -> None:
    """A renewal brings back nothing that Redis has lost."""
    from presence.store import Store

    hold, held = Store.hold, set()

    async def once(self: Store, members: Any, lease: float) -> Any:
        new = {
            scope: [one for one in each if (scope, one) not in held]
            for scope, each in members.items()
        }
        held.update((scope, one) for scope, each in members.items() for one in each)
        return await hold(self, new, lease)

    Store.hold = once  # type: ignore[method-assign]


def clocks() -> None:
    """Each process goes by its own clock."""
    _change_scripts(
        r"local clock = redis.call\('TIME'\)",
        lambda _: f"local clock = {{redis.call('TIME')[1] + {time.time() - _true_time():.0f}, 0}}",
    )


def _change_scripts(pattern: str, replacement: Any) -> None:
    from presence import store

    script = store.script_of

    def changed(name: str) -> tuple[str, str]:
        source = re.sub(pattern, replacement, script(name)[0])
        return source, sha1(source.encode(), usedforsecurity=False).hexdigest()

    store.script_of = changed  # type: ignore[assignment]


BREAKS: dict[str, Callable[[], None]] = {
    "holes": holes,
    "idempotency": idempotency,
    "heads": heads,
    "catchup": catchup,
    "repairs": repairs,
    "reaping": reaping,
    "restoring": restoring,
    "clocks": clocks,
}
