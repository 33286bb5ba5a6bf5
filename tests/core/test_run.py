"""`manage.py run` as a person uses it: in a checkout, with a terminal's signals."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from core.embedded.server import free_port
from tests.support.databases import ROOT
from tests.support.processes import processes_of

PATIENCE = 60.0  # seconds
NOT_COPIED = shutil.ignore_patterns(
    ".*", "__pycache__", "staticfiles", "tests", "bench", "node_modules"
)
OURS = ("SECRET_KEY", "DEBUG", "CHAT_GUESTS", "DATABASE_URL", "REDIS_URL", "ENV_FILE")


class Checkout:
    """A copy of the project, in which nothing has been set."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.output = ""
        shutil.copytree(ROOT, directory, ignore=NOT_COPIED)

    def run(self, **env: str) -> "subprocess.Popen[str]":
        """Start `manage.py run` and return at once."""
        return subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=self.directory,
            env=self._env(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def serve(self, **env: str) -> "subprocess.Popen[str]":
        """Start `manage.py run` and return when it has said so; `output` has what it said."""
        process = self.run(**env)
        assert process.stdout is not None
        self.output = ""
        for line in process.stdout:
            self.output += line
            if "Ctrl-C" in line:
                return process
        raise AssertionError(f"It ended with {process.wait()}:\n{self.output}")

    def manage(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.directory,
            env=self._env(**env),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def processes(self) -> list[psutil.Process]:
        return processes_of(self.directory)

    def _env(self, **env: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if name not in OURS}
        return {**clean, "PORT": str(self.port), **env}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "chat")
    yield checkout
    for process in checkout.processes():  # of a test that failed
        process.kill()


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode != 0
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    return line


def users(checkout: Checkout) -> str:
    """Ask the database through another command."""
    code = "from core.models import User; print('users:', *User.objects.values_list('username'))"
    done = checkout.manage("shell", "--verbosity=0", "--command", code)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_and_who_serves_and_leaves_nothing_behind(
    checkout: Checkout, number: signal.Signals
) -> None:
    process = checkout.serve()
    address = f"http://127.0.0.1:{checkout.port}/"
    assert address in checkout.output
    assert f"{address}admin/" in checkout.output
    for account in ("alice", "bob", "carol", "mod", "demo"):
        assert re.search(rf"\b{account}\b", checkout.output)
    assert httpx.get(f"{address}admin/login/").status_code == 200
    assert {p.name() for p in checkout.processes()} >= {"postgres", "valkey-server"}

    status, _ = end(process, number)

    assert status == 0
    assert not checkout.processes()


def test_ctrl_c_reaches_everything_at_once_and_still_ends_in_order(checkout: Checkout) -> None:
    """A terminal sends SIGINT to the whole group; an impatient person sends it twice."""
    process = checkout.serve()
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert not checkout.processes()


def test_ctrl_c_while_it_starts_leaves_nothing_behind(checkout: Checkout) -> None:
    process = checkout.run()
    deadline = time.monotonic() + PATIENCE
    while not any(p.name() in ("initdb", "postgres") for p in checkout.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    status, output = end(process, signal.SIGINT)
    assert status != 0
    assert "Traceback" not in output
    assert not checkout.processes()
    end(checkout.serve(), signal.SIGINT)


def test_kill_9_does_not_stop_the_next_start_and_data_is_kept(checkout: Checkout) -> None:
    process = checkout.serve()
    before = users(checkout)
    assert "alice" in before
    end(process, signal.SIGKILL)
    assert checkout.processes(), "the servers outlive it: otherwise this proves nothing"

    process = checkout.serve()
    assert users(checkout) == before
    end(process, signal.SIGINT)
    assert not checkout.processes()


def test_commands_work_beside_it_and_without_it_on_the_same_data(checkout: Checkout) -> None:
    process = checkout.serve()
    beside = users(checkout)
    assert "alice" in beside
    assert process.poll() is None
    end(process, signal.SIGINT)

    assert users(checkout) == beside
    assert not checkout.processes()


def test_a_command_that_outlives_it_keeps_the_servers(checkout: Checkout) -> None:
    process = checkout.serve()
    code = "print('ready', flush=True); input(); from core.models import User; User.objects.first()"
    with subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", code],
        cwd=checkout.directory,
        env=checkout._env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        end(process, signal.SIGINT)
        assert {p.name() for p in checkout.processes()} >= {"postgres", "valkey-server"}
        command.communicate("\n", timeout=PATIENCE)
        assert command.returncode == 0
    assert not checkout.processes()


@pytest.mark.parametrize("arguments", [["help"], ["--version"], ["migrate", "--help"]])
def test_asking_for_help_starts_no_server(checkout: Checkout, arguments: list[str]) -> None:
    assert checkout.manage(*arguments).returncode == 0
    assert not (checkout.directory / ".local/postgres").exists()


def test_a_port_in_use_is_one_line_before_anything_starts(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", checkout.port)):
        line = one_line(checkout.manage("run"))
    assert f"Port {checkout.port}" in line
    assert "PORT=" in line
    assert not (checkout.directory / ".local/postgres").exists()


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"HOST": "nowhere.invalid"}, "nowhere.invalid"),
        ({"HOST": "192.0.2.1"}, "192.0.2.1"),  # an address of no machine
    ],
)
def test_an_address_that_cannot_be_is_one_line(
    checkout: Checkout, env: dict[str, str], says: str
) -> None:
    assert says in one_line(checkout.manage("run", **env))


@pytest.mark.parametrize("accepts", [False, True], ids=["refuses", "is silent"])
def test_a_database_that_does_not_answer_is_one_line(checkout: Checkout, accepts: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if accepts else free_port()
        url = f"postgres://chat:a-secret@127.0.0.1:{port}/chat"
        line = one_line(checkout.manage("run", DATABASE_URL=url))
    assert f"127.0.0.1:{port}" in line
    assert "DATABASE_URL" in line
    assert "a-secret" not in line
    assert not checkout.processes()


def test_a_folder_that_cannot_be_written_is_one_line(checkout: Checkout) -> None:
    (checkout.directory / ".local").write_text("in the way")
    assert ".local" in one_line(checkout.manage("migrate"))


def test_servers_that_are_set_are_used_and_none_is_started(
    checkout: Checkout, template_database: str
) -> None:
    (checkout.directory / ".env").write_text(
        f"DATABASE_URL={template_database}\nREDIS_URL={os.environ['REDIS_URL']}\n"
    )
    assert "alice" in users(checkout)
    assert not (checkout.directory / ".local/postgres").exists()
    assert not (checkout.directory / ".local/valkey").exists()


def test_each_server_that_is_not_set_is_started_by_itself(checkout: Checkout) -> None:
    done = checkout.manage("migrate", "--verbosity=0", REDIS_URL=os.environ["REDIS_URL"])
    assert done.returncode == 0, done.stderr
    assert (checkout.directory / ".local/postgres").exists()
    assert not (checkout.directory / ".local/valkey").exists()


def test_production_starts_nothing_and_assumes_nothing(checkout: Checkout) -> None:
    done = checkout.manage("migrate", SECRET_KEY="set", DEBUG="off")
    assert done.returncode != 0
    assert "DATABASE_URL" in done.stderr
    assert not (checkout.directory / ".local").exists()


def test_the_secret_key_is_made_once_and_is_nobody_elses_business(checkout: Checkout) -> None:
    def key() -> str:
        done = checkout.manage("diffsettings")
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("SECRET_KEY"))
        return line

    assert key() == key()
    path = checkout.directory / ".local/secret_key"
    assert len(path.read_text()) >= 50
    assert path.stat().st_mode & 0o077 == 0


def test_opening_it_to_others_is_warned_of(checkout: Checkout) -> None:
    process = checkout.serve(HOST="0.0.0.0")
    assert "Warning: HOST=0.0.0.0" in checkout.output
    assert f"http://127.0.0.1:{checkout.port}/" in checkout.output
    end(process, signal.SIGINT)
