"""What PostgreSQL and Valkey have in common as processes of ours.

No pid file is kept. A server is found by the path of its data among its arguments, which cannot
be stale: not after kill -9, a reboot, or when its number went to another program. Its port is read
from there too.
"""

import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from core.errors import Problem
from core.local import secret
from core.local.embedded.ports import free_port, is_free

ATTEMPTS = 3  # a port may be taken between looking and listening; orphaned backends take a moment
PATIENCE = 60.0  # seconds to answer in: recovery after a crash reads the log first
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}  # no PGPORT, no secret of ours

_children: list[subprocess.Popen[bytes]] = []  # kept, or Python warns of processes still running


class NoAnswer(Exception):
    """The server does not answer (yet)."""


class GivenUp(Exception):
    """Nobody waits for the server any more; what it does now is left to whoever stops it."""


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
        """Return the URL of this server, found or started; on the port it had, if that is free."""
        self.directory.mkdir(mode=0o755, exist_ok=True)
        if url := self._running():
            return url
        self.prepare()
        for attempt in range(ATTEMPTS):
            time.sleep(attempt / 2)
            usual = self._usual_port() if attempt == 0 else None
            port = usual if usual and is_free(usual) else free_port()
            with suppress(NoAnswer):
                return self._start(port)
        raise Problem(
            f"{self.name} does not start: {self._last_words()} See {self._log}, "
            f"or set {self.variable} to a server of yours."
        )

    def revive(self, url: str, closed: threading.Event) -> bool:
        """Have it answer at `url`, where it did; tell whether it had to be started.

        Raises a Problem where that cannot be, now or at all: others may use that port. And GivenUp
        where it takes longer than until `closed` is set: who leaves must not wait for a recovery.
        """
        port = urlsplit(url).port or 0
        if not (self.directory / "password").exists() or self.url(port) != url:
            raise Problem(f"{self.directory} is not what it was.")
        if found := self._running(closed):
            if found != url:
                raise Problem("it was started on another port, since the one it had was taken.")
            return False
        if not is_free(port):
            raise Problem("another program has taken its port.")
        self.prepare()
        try:
            self._start(port, closed)
        except NoAnswer:
            raise Problem(f"{self._last_words()} See {self._log}.") from None
        return True

    def find(self) -> psutil.Process | None:
        """Return the server's main process, whoever started it.

        A PostgreSQL backend has its parent's arguments for a moment after the fork: the oldest
        process is the parent.
        """
        _reap()
        ours: list[tuple[float, psutil.Process]] = []
        for process in psutil.process_iter():  # without its `info`, which threads would share
            with suppress(psutil.Error):  # it has ended meanwhile, or is hidden from us
                words = process.cmdline()
                if self.marker in words and Path(words[0]).name == self.program:
                    ours.append((process.create_time(), process))
        return min(ours, key=lambda one: one[0])[1] if ours else None

    def stop(self) -> None:
        if running := self.find():
            self._end(running)

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
        return last if last.endswith(".") else f"{last}."

    def _running(self, closed: threading.Event | None = None) -> str | None:
        """Return the URL of a server that is there already; one that does not answer is ended."""
        if running := self.find():
            try:
                return self._wait(running, closed)
            except NoAnswer:
                self._end(running)
        return None

    def _usual_port(self) -> int | None:
        try:
            return int((self.directory / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _start(self, port: int, closed: threading.Event | None = None) -> str:
        with self._log.open("wb") as log:
            child = subprocess.Popen(
                self.command(port),
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
            url = self._wait(process, closed)
            (self.directory / "port").write_text(str(port))
        except GivenUp:
            raise
        except BaseException:
            self._end(process)
            raise
        return url

    def _wait(self, process: psutil.Process, closed: threading.Event | None) -> str:
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
                if has_ended(process) or time.monotonic() > deadline:
                    raise
                if closed is not None and closed.is_set():
                    raise GivenUp from None
                time.sleep(0.03)
            else:
                return url

    def _end(self, process: psutil.Process) -> None:
        for number, seconds in self.stop_signals:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if has_ended(process):
                    return
                time.sleep(0.01)


def has_ended(process: psutil.Process) -> bool:
    """Tell whether it runs no longer; a zombie that nobody collects does not count.

    Costs little.
    """
    _reap()
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _reap() -> None:
    """Let go of children that ended; one by one, since another thread may add one meanwhile."""
    for child in list(_children):
        if child.poll() is not None:
            with suppress(ValueError):  # another thread was faster
                _children.remove(child)


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
