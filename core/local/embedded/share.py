"""Several processes, one pair of servers.

Every user holds a shared lock on `users.lock` for as long as it lives; the kernel drops it however
the process ends, kill -9 included, so there is no list of users that could go stale. Starting and
stopping happen under the exclusive `start.lock`. Whoever leaves and gets `users.lock` exclusively
was the last one, and stops the servers.
"""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from core.errors import Problem
from core.local.embedded import watch
from core.local.embedded.postgres import Postgres
from core.local.embedded.server import Server
from core.local.embedded.valkey import Valkey

LEAVE_WITHIN = 5.0  # seconds that another process may take with a server before we leave


class Share:
    """One process's share in the servers of a directory."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.resolve()
        self._servers: dict[str, Server] = {
            "DATABASE_URL": Postgres(self.directory / "postgres", durable=durable),
            "REDIS_URL": Valkey(self.directory / "valkey"),
        }
        self._users: IO[str] | None = None
        self._closed = threading.Event()
        self._pid = os.getpid()

    def start(self, wanted: Iterable[str]) -> dict[str, str]:
        """Return the URL of each wanted server by name; all of them run and answer."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._start_lock():
                if self._users is None:
                    self._closed = threading.Event()
                    users = (self.directory / "users.lock").open("a")
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._users = users
                return {name: self._servers[name].ensure() for name in wanted}
        except OSError as error:
            raise Problem(
                f"The embedded servers cannot use {error.filename or self.directory}: "
                f"{error.strerror}. Make it writable, or set DATABASE_URL and REDIS_URL."
            ) from error

    def watch(self, urls: Mapping[str, str]) -> None:
        """From here on have these servers, which `start` returned, started again where they die."""
        for name, url in urls.items():
            server = self._servers[name]
            arguments = (server, url, self._start_lock, self._closed)
            threading.Thread(
                target=watch.keep_running, args=arguments, name=f"watch-{server.name}", daemon=True
            ).start()

    def close(self) -> None:
        """Leave; the last one out stops the servers. May be called twice."""
        if self._users is None or os.getpid() != self._pid:  # a fork shares our lock: not its own
            return
        self._closed.set()
        with _undisturbed(), self._start_lock(LEAVE_WITHIN) as is_ours, self._users as users:
            self._users = None
            if not is_ours:  # who has it for so long starts a server, and so is a user as well
                return
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            with ExitStack() as stack:  # each is stopped, whatever happens to the other
                for server in self._servers.values():
                    stack.callback(server.stop)

    @contextmanager
    def _start_lock(self, within: float | None = None) -> Iterator[bool]:
        """Whether it is ours: False only where another process has it for `within` seconds."""
        with ExitStack() as stack:
            try:
                file = stack.enter_context((self.directory / "start.lock").open("a"))
            except FileNotFoundError:  # deleted under us: stop what still runs for it
                yield True
            else:
                yield _locked(file, within)


def _locked(file: IO[str], within: float | None) -> bool:
    if within is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    deadline = time.monotonic() + within
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off Ctrl-C and friends: a second, impatient one must not leave a server behind.

    Stopping takes a bounded time. Only the main thread may set signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
