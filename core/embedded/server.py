"""What PostgreSQL and Valkey have in common as processes of ours.

No pid file is kept. A server is found by the path of its data among its arguments, which cannot
be stale: not after kill -9, a reboot, or when its number went to another program. Its port is read
from there too.
"""

import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from core import secret
from core.errors import Problem

HOST = "127.0.0.1"
ATTEMPTS = 3  # a port may be taken between looking and listening; orphaned backends take a moment
PATIENCE = 60.0  # seconds to answer in: recovery after a crash reads the log first
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}  # no PGPORT, no secret of ours

_children: list[subprocess.Popen[bytes]] = []  # kept, or Python warns of processes still running


class NoAnswer(Exception):
    """The server does not answer (yet)."""


class Server(ABC):
    """One server with its files in one directory. Use it under the start lock."""

    name: str
    program: str  # the file name of its executable
    port_option: str  # the argument before its port
    variable: str  # what to set in order to bring your own
    stop_signals: tuple[tuple[signal.Signals, float], ...]  # each with seconds to wait

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    @abstractmethod
    def marker(self) -> str:
        """The argument by which its process is known."""

    @abstractmethod
    def prepare(self) -> None:
        """Make its files ready for a start; it does not run now."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """Its command line, with `marker`, and with `port_option` before the port."""

    @abstractmethod
    def url(self, port: int) -> str: ...

    @abstractmethod
    def ping(self, url: str) -> None:
        """Return when it answers and takes our password, or raise NoAnswer."""

    @property
    def password(self) -> str:
        return secret.keep(self.directory / "password")

    def ensure(self) -> str:
        """Return the URL of this server, found or started."""
        self.directory.mkdir(mode=0o755, exist_ok=True)
        running = self.find()
        if running is not None:
            try:
                return self._wait(running)
            except NoAnswer:
                self._end(running)
        self.prepare()
        for attempt in range(ATTEMPTS):
            time.sleep(attempt / 2)
            with suppress(NoAnswer):
                return self._start()
        raise Problem(
            f"{self.name} does not start: {self._last_words()} See {self._log}, "
            f"or set {self.variable} to a server of yours."
        )

    def find(self) -> psutil.Process | None:
        """Return the server's main process, whoever started it.

        A PostgreSQL backend has its parent's arguments for a moment after the fork: the oldest
        process is the parent.
        """
        _reap()
        ours = [
            process
            for process in psutil.process_iter(["cmdline", "create_time"])
            if (words := process.info["cmdline"])
            and self.marker in words
            and Path(words[0]).name == self.program
        ]
        return min(ours, key=lambda process: process.info["create_time"], default=None)

    def stop(self) -> None:
        running = self.find()
        if running is not None:
            self._end(running)

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given.")

    def _start(self) -> str:
        with self._log.open("wb") as log:
            child = subprocess.Popen(
                self.command(free_port()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C in our terminal is not meant for it
            )
        _children.append(child)
        process = psutil.Process(child.pid)
        try:
            return self._wait(process)
        except BaseException:
            self._end(process)
            raise

    def _wait(self, process: psutil.Process) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                words = process.cmdline()
                if self.marker not in words:
                    raise NoAnswer
                url = self.url(int(words[words.index(self.port_option) + 1]))
                self.ping(url)
            except psutil.Error as error:
                raise NoAnswer from error
            except NoAnswer:
                if _has_ended(process) or time.monotonic() > deadline:
                    raise
                time.sleep(0.03)
            else:
                return url

    def _end(self, process: psutil.Process) -> None:
        for number, seconds in self.stop_signals:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if _has_ended(process):
                    return
                time.sleep(0.01)


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether it runs no longer; a zombie that nobody collects does not count."""
    _reap()
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _reap() -> None:
    """Let go of children that ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def wheel_file(package: str, pattern: str, name: str, variable: str) -> Path:
    """Return the one file of an installed wheel that matches; the package itself is not run."""
    spec = find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob(pattern)):
            return path
    raise Problem(
        f"There is no {name} for this machine: the wheel {package} is missing. "
        f"Install requirements/local.txt, or set {variable} to a server of yours."
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
