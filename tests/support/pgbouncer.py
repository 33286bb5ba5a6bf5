"""A real PgBouncer before a database of the tests."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.support import debian
from tests.support.ports import free_port

PATIENCE = 20.0  # seconds


class PgBouncer:
    """`url` is that of the database, through it."""

    def __init__(self, directory: Path, url: str) -> None:
        self.port = free_port()
        self._directory = directory
        self._behind = urlsplit(url)
        assert self._behind.hostname, url
        login = f"{self._behind.username}:{self._behind.password}"
        self.url = self._behind._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, mode: str, *, size: int = 20) -> None:
        """Write its settings; one that runs reads them now."""
        behind = self._behind
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "plain",
            "auth_file": self._directory / "users",
            "admin_users": behind.username,
            "pool_mode": mode,
            "default_pool_size": size,
            "max_client_conn": 200,
        }
        server = f"host={behind.hostname} port={behind.port or 5432} dbname={behind.path[1:]}"
        lines = ["[databases]", f"* = {server}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (self._directory / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        (self._directory / "users").write_text(f'"{behind.username}" "{behind.password}"\n')
        if self._process is not None:
            self.admin("RELOAD")
            self.admin("RECONNECT")  # sessions of before go when their transactions are over

    def start(self) -> None:
        command = [str(debian.program("pgbouncer")), str(self._directory / "pgbouncer.ini")]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                debian.not_as_root("pgbouncer", command, self._directory),
                env=debian.environment("pgbouncer"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log_text = (self._directory / "log").read_text()
                    raise AssertionError(f"PgBouncer does not start:\n{log_text}") from None
                time.sleep(0.05)
            else:
                return

    def admin(self, command: str) -> list[dict[str, str]]:
        """Run a command of its console; the rows by the names of their columns."""
        url = urlsplit(self.url)._replace(path="/pgbouncer").geturl()
        with psycopg.connect(url, autocommit=True) as console:
            cursor = psycopg.ClientCursor(console)
            cursor.execute(command)  # type: ignore[call-overload]
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if names else []
            return [dict(zip(names, row, strict=True)) for row in rows]

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # it waits for its clients else
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[PgBouncer]:
    """Run PgBouncer before the database at `url`."""
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as directory:
        made = PgBouncer(Path(directory), url)
        made.configure(mode)
        made.start()
        try:
            yield made
        finally:
            made.stop()
