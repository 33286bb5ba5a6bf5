"""The tests themselves: how they are divided, and that they leave nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import environment, order
from tests.support.databases import ROOT
from tests.support.processes import processes_of
from tests.support.sockets import wait_until

SERVERS = ("postgres", "valkey-server")


def is_of_this_run(name: str) -> bool:
    return name.startswith("PYTEST_") or name in {*environment.NAMES, *environment.SETTINGS}


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_at_all", [True, False], ids=["to all", "to the first"])
def test_the_servers_of_all_workers_end_with_the_tests(
    tmp_path: Path, number: signal.Signals, is_at_all: bool
) -> None:
    """Some seconds, since two workers start all that they use. Ctrl-C is for all of them."""
    (tmp_path / "waiting").mkdir()
    files = ["tests/core/accounts/test_sessions.py", "tests/chat/log/test_history.py"]
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-n2", "-p", "tests.support.waiting", *files],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not is_of_this_run(name)},
            "TMPDIR": str(tmp_path),
            "WAITING": str(tmp_path / "waiting"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list((tmp_path / "waiting").iterdir())) == 2, "they do not run", 60)
        running = {process.name() for process in processes_of(tmp_path)}
        assert running >= set(SERVERS)
        if is_at_all:
            os.killpg(tests.pid, number)
        else:
            tests.send_signal(number)
        assert tests.wait(60) == (2 if number == signal.SIGINT else 143)
        assert processes_of(tmp_path) == []
        assert not list(tmp_path.glob("chat-*"))
    finally:
        tests.kill()
        tests.wait()


def test_the_files_that_come_first_are_there() -> None:
    assert [name for name in order.LONG if not (ROOT / name).is_file()] == []
