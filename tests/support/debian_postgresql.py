"""The PostgreSQL of Debian's stable release: an older one than that which the project embeds."""

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


@contextmanager
def postgresql() -> Iterator[str]:
    """Run it, empty; yields the URL of its database."""
    programs = debian.newest("postgresql", "usr/lib/postgresql/*/bin/postgres").parent
    with tempfile.TemporaryDirectory(prefix="postgresql-") as path:
        directory, port = Path(path), free_port()
        data = directory / "data"
        _run(directory, programs / "initdb", "-U", "chat", "-A", "trust", "-D", data).wait()
        options = {"unix_socket_directories": "", "fsync": "off", "port": str(port)}
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        process = _run(directory, programs / "postgres", "-D", data, *given)
        try:
            url = f"postgres://chat:unused@127.0.0.1:{port}/postgres"
            _wait(url, process, directory / "log")
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _run(directory: Path, *command: object) -> "subprocess.Popen[bytes]":
    words = [str(word) for word in command]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            debian.not_as_root("postgresql", words, directory),
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
