"""The real server in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from core.accounts import cookies
from core.local import embedded
from tests.support import databases, environment
from tests.support.databases import ROOT
from tests.support.ports import free_port

PATIENCE = 30.0  # seconds
running: list["ChatServer"] = []  # for the report of a failed test


class ChatServer:
    """Daphne with the chat on a free port. `url` has no slash at its end."""

    def __init__(
        self, env: Mapping[str, str], log: Path, program: Sequence[str] = ("-m", "core.server")
    ) -> None:
        self.program = program
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.env = {**os.environ, **env, "HOST": "127.0.0.1", "PORT": str(self.port)}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def cookie(self, kind: str = "session") -> str:
        """What this server calls its cookie for `kind`."""
        debug = self.env.get("DEBUG", "off") == "on"
        https = self.env.get("HTTPS", "off" if debug else "on") == "on"
        origins = [origin for origin in self.env.get("ORIGINS", "").split(",") if origin]
        port = cookies.seen_port(debug=debug, own=str(self.port), origins=origins)
        return cookies.named(kind, https=https, port=port)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it, on the same port and database as before; returns once it accepts."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.program],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._accepts():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"The server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> int:
        """End it as an operator does (SIGTERM) and return its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it as a crash does (SIGKILL)."""
        return self._end(signal.SIGKILL)

    def manage(self, *arguments: str) -> str:
        """Run a `manage.py` command on this server's database; returns what it printed."""
        return databases.manage(*arguments, env=self.env)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"The server ignores {number.name}") from None

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def chat_server(
    template: str,
    *,
    env: Mapping[str, str] | None = None,
    beside: ChatServer | None = None,
    **options: Any,
) -> Iterator[ChatServer]:
    """Run a server on a copy of the template database; `env` adds to its environment.

    `beside` another one it shares that one's database and Redis, as a second process of the same
    chat. Else it gets a Valkey of its own, since what is published crosses the numbered databases
    of one; not where `env` names one, or REDIS_URL came from outside.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-server-")))
        own: dict[str, str] = {}
        given = env or {}
        if beside is not None:
            own = {name: beside.env[name] for name in ("DATABASE_URL", "REDIS_URL")}
        if "DATABASE_URL" not in {*given, *own}:
            own["DATABASE_URL"] = stack.enter_context(databases.copied(template))
        if "REDIS_URL" not in {*given, *own} and "REDIS_URL" in environment.started:
            own |= stack.enter_context(embedded.servers(directory, wanted=["REDIS_URL"]))
        if given.get("DEBUG", "on") == "on":  # who tries production has its own settings
            own["DJANGO_SETTINGS_MODULE"] = "tests.support.settings"
        server = ChatServer({**own, **given}, directory / "server.log", **options)
        running.append(server)
        stack.callback(running.remove, server)
        stack.callback(server.stop)
        server.start()
        yield server
