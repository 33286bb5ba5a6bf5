"""What is broken and mended: a PostgreSQL and a Valkey of its own, and server processes on them."""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from core.local import embedded
from core.local.embedded.postgres import Postgres
from core.local.embedded.server import ENVIRONMENT, NoAnswer, Server
from core.local.embedded.valkey import Valkey
from tests.support.databases import manage
from tests.support.servers import ChatServer

PROCESSES = 3
START_WITHIN = 30.0  # seconds
ENV = {
    "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    "ENV_FILE": "",
    "SECRET_KEY": "only for the harness, which signs its own sessions with it",
    "DEBUG": "off",
    "HTTPS": "off",
    "ALLOWED_HOSTS": "127.0.0.1",
    "ORIGINS": "http://127.0.0.1",
    "CHAT_RATE_MESSAGES": "0",
    "CHAT_RATE_EDITS": "0",
    "CHAT_FRAMES_PER_SECOND": "0",
    "CHAT_GUESTS_PER_ADDRESS": "",
    "CHAT_NEW_ROOMS_PER_ADDRESS": "",
    "CHAT_NEW_ROOMS_PER_PERSON": "",
}


class Presence(NamedTuple):
    """How long, in seconds, a lease lasts, when it is renewed, and what a reload may take."""

    lease: int = 42
    renew: int = 15
    grace: float = 8.0

    @property
    def env(self) -> dict[str, str]:
        return {
            "PRESENCE_LEASE_SECONDS": str(self.lease),
            "PRESENCE_RENEW_SECONDS": str(self.renew),
            "PRESENCE_GRACE_SECONDS": str(self.grace),
        }


class Service:
    """PostgreSQL or Valkey: ended, stopped in its tracks, started again on the same port."""

    def __init__(self, server: Server, url: str) -> None:
        process = server.find()
        assert process is not None
        words = process.cmdline()
        self.url = url
        self._server = server
        self._port = int(words[words.index(server.port_option) + 1])
        self._child: subprocess.Popen[bytes] | None = None

    def end(self, number: signal.Signals) -> None:
        """Send it a signal that ends it; returns once it is gone."""
        process = self._server.find()
        if process is not None:
            process.send_signal(number)
            process.wait(START_WITHIN)

    def start(self) -> None:
        if self._child is not None:
            self._child.wait(START_WITHIN)
        self._server.prepare()
        with (self._server.directory / "log").open("ab") as log:
            self._child = subprocess.Popen(
                self._server.command(self._port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                self._server.ping(self.url)
            except NoAnswer:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def signal(self, number: signal.Signals) -> None:
        process = self._server.find()
        if process is not None:
            process.send_signal(number)

    def reap(self) -> None:
        if self._child is not None:
            self._child.wait(START_WITHIN)


class World:
    """Three processes of one chat. `env` is what they all run with."""

    def __init__(self, directory: Path, urls: Mapping[str, str], presence: Presence) -> None:
        self.presence = presence
        self.env = {**ENV, **urls, **presence.env}
        self.database_url, self.redis_url = urls["DATABASE_URL"], urls["REDIS_URL"]
        self.postgres = Service(Postgres(directory / "postgres"), urls["DATABASE_URL"])
        self.redis = Service(Valkey(directory / "valkey"), urls["REDIS_URL"])
        self.servers = [
            ChatServer({**self.env, "FAULTS_PROCESS": str(n)}, directory / f"server-{n}.log")
            for n in range(PROCESSES)
        ]
        self._running_with: dict[str, str] | None = None

    @property
    def addresses(self) -> list[str]:
        return [server.ws_url for server in self.servers]

    @property
    def running(self) -> list[int]:
        return [number for number, server in enumerate(self.servers) if server.is_running]

    async def run(self, env: Mapping[str, str]) -> None:
        """Have all processes run with `env` added to their environment; they may do so already."""
        if env == self._running_with:
            return
        await self._each(lambda server: server.kill())
        for server in self.servers:
            server.env |= env
        await self._each(lambda server: server.start())
        self._running_with = dict(env)

    async def _each(self, work: Callable[[ChatServer], object]) -> None:
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(asyncio.to_thread(work, server))

    def said(self, text: str) -> int:
        """How often the servers' logs have `text`."""
        return sum(server.log.read_text(errors="replace").count(text) for server in self.servers)

    def ask_what_hangs(self) -> None:
        """Have the servers write into their logs where they stand."""
        for server in self.servers:
            os.kill(server.pid, signal.SIGUSR1)

    def close(self) -> None:
        self.redis.signal(signal.SIGCONT)
        for server in self.servers:
            server.kill()


@contextmanager
def world(presence: Presence) -> Iterator[World]:
    """A world whose server processes do not run yet. Everything is gone afterwards."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-faults-")))
        directory = directory.resolve()
        reapers = stack.enter_context(ExitStack())  # after the servers have been ended
        urls = stack.enter_context(embedded.servers(directory, durable=True))
        manage("migrate", "--verbosity=0", env={**ENV, **urls})
        made = World(directory, urls, presence)
        reapers.callback(made.postgres.reap)
        reapers.callback(made.redis.reap)
        stack.callback(made.close)
        yield made
