"""The servers that are measured, each in a process of its own on a free port."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from core.local.embedded.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 30.0  # seconds

# Production settings, but for what the load needs: its members send as fast as they can.
OURS = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "ENV_FILE": "",
    "DEBUG": "off",
    "HTTPS": "off",
    "ALLOWED_HOSTS": "127.0.0.1",
    "ORIGINS": "http://127.0.0.1",
    "CHAT_GUESTS": "on",
    "CHAT_GUESTS_PER_ADDRESS": "",
    "CHAT_NEW_ROOMS_PER_ADDRESS": "",
    "CHAT_NEW_ROOMS_PER_PERSON": "",
    "CHAT_RATE_MESSAGES": "0",
    "CHAT_FRAMES_PER_SECOND": "0",
    "LOG_LEVEL": "ERROR",
}
LIMITS = {"CHAT_GUESTS_PER_ADDRESS": "60/minute", "CHAT_FRAMES_PER_SECOND": "20"}


@dataclass
class Target:
    """`is_ours`: it sends a history first, and what it delivers is in PostgreSQL."""

    name: str
    command: list[str]
    is_ours: bool = True
    env: Mapping[str, str] = field(default_factory=dict)
    pid: int = 0
    port: int = 0

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/chat"

    def memory(self) -> int:
        """Bytes that its process holds."""
        return int(psutil.Process(self.pid).memory_info().rss)


def daphne() -> Target:
    return Target("daphne", ["-m", "core.server"])


def within_limits() -> Target:
    """With limits as in production, where nobody measures how fast it can be."""
    return replace(daphne(), env=LIMITS)


def uvicorn() -> Target:
    options = ["--host", "127.0.0.1", "--port", "{port}", "--ws", "websockets-sansio"]
    quiet = ["--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    return Target("uvicorn", ["-m", "uvicorn", "core.asgi:application", *options, *quiet])


def one_by_one() -> Target:
    return Target("one by one", ["-m", "bench.one_by_one"])


def baseline() -> Target:
    options = ["-b", "127.0.0.1", "-p", "{port}", "-v", "0", "bench.baseline.asgi:application"]
    return Target("tutorial", ["-m", "daphne", *options], is_ours=False)


def bare() -> Target:
    return Target("bare", ["-m", "bench.bare", "{port}"], is_ours=False)


@contextmanager
def running(target: Target, env: Mapping[str, str]) -> Iterator[Target]:
    """Run it for as long as the block runs."""
    target.port = free_port()
    arguments = [argument.format(port=target.port) for argument in target.command]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            **OURS,
            **env,
            **target.env,
            "HOST": "127.0.0.1",
            "PORT": str(target.port),
        },
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_port(target, process)
        target.pid = process.pid
        yield target
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(target: Target, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", target.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{target.name} did not start on port {target.port}")
