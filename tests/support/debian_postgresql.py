"""The PostgreSQL of Debian's stable release: an older one than that which the project embeds."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support import debian
from tests.support.ports import free_port

PATIENCE = 60.0  # seconds
NOBODY = "65534"


@contextmanager
def postgresql() -> Iterator[str]:
    """Run it, empty; yields the URL of its database."""
    programs = debian.newest("postgresql", "usr/lib/postgresql/*/bin/postgres").parent
    with tempfile.TemporaryDirectory(prefix="postgresql-") as directory:
        data, port = Path(directory, "data"), free_port()
        _as_nobody(directory, programs / "initdb", "-U", "chat", "-A", "trust", "-D", data).wait()
        options = {"unix_socket_directories": "", "fsync": "off", "port": str(port)}
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        process = _as_nobody(directory, programs / "postgres", "-D", data, *given)
        try:
            url = f"postgres://chat:unused@127.0.0.1:{port}/postgres"
            _wait(url, process, Path(directory, "log"))
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _as_nobody(directory: str, *command: object) -> "subprocess.Popen[bytes]":
    """It refuses to run as root."""
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        Path(directory).chmod(0o777)
        words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *words]
    with Path(directory, "log").open("ab") as log:
        return subprocess.Popen(
            words,
            cwd="/",
            env=debian.environment("postgresql"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL does not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
