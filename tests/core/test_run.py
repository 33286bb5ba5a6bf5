"""`manage.py run` as a person uses it: in a checkout, with a terminal's signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from io import StringIO

import httpx
import psutil
import pytest
from pytest_django import Settings
from websockets.sync.client import Origin, connect

from core.management.commands.run import Command
from tests.support.checkout import PATIENCE, Checkout, end, one_line, until_it_serves, users
from tests.support.ports import free_port
from tests.support.sockets import wait_until


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
    assert httpx.get(f"{address}accounts/sign-in/").status_code == 200
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


def test_two_that_start_at_once_on_fresh_data_both_serve(checkout: Checkout) -> None:
    first, second = checkout.run(), checkout.run(PORT=str(free_port()))
    said = [until_it_serves(process) for process in (first, second)]
    assert sum("Preparing the database" in output for output in said) == 1
    assert end(second, signal.SIGINT)[0] == end(first, signal.SIGINT)[0] == 0
    assert not checkout.processes()


def test_kill_9_does_not_stop_the_next_start_and_data_is_kept(checkout: Checkout) -> None:
    process = checkout.serve()
    before = users(checkout)
    assert "alice" in before
    end(process, signal.SIGKILL)
    assert checkout.processes(), "the servers outlive it: otherwise this proves nothing"

    process = checkout.serve()
    assert "Preparing the database" not in checkout.output, "what is prepared is not prepared again"
    assert users(checkout) == before
    end(process, signal.SIGINT)
    assert not checkout.processes()


def test_a_server_that_is_killed_under_it_comes_back_and_the_chat_goes_on(
    checkout: Checkout,
) -> None:
    process = checkout.serve()
    base = f"http://127.0.0.1:{checkout.port}"
    with httpx.Client(base_url=base, timeout=PATIENCE) as guest:
        assert guest.get("/chat/lobby/").status_code == 200
        for name in ("postgres", "valkey-server"):
            main = min((p for p in checkout.processes() if p.name() == name), key=create_time)
            main.kill()
            psutil.wait_procs([main], PATIENCE)
            wait_until(lambda: is_well(guest), f"the chat goes down with {name}", PATIENCE)
            assert text_posted(guest, f"after the end of {name}") in stored(checkout)
    status, output = end(process, signal.SIGINT)
    assert status == 0
    assert output.count("had ended, and runs again.") == 2
    assert not checkout.processes()


def create_time(process: psutil.Process) -> float:
    return process.create_time()


def is_well(guest: httpx.Client) -> bool:
    health = guest.get("/healthz")
    return health.status_code == 200 and health.json()["redis"] == "ok"


def text_posted(guest: httpx.Client, text: str) -> str:
    """Post as the web client does, and return it once it is accepted."""
    cookies = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    place = guest.base_url.netloc.decode()
    with connect(
        f"ws://{place}/ws/chat/lobby/",
        additional_headers={"Cookie": cookies},
        origin=Origin(f"http://{place}"),
    ) as socket:
        socket.send(json.dumps({"type": "chat.message", "message": text}))
        wait_until(lambda: text in str(socket.recv(PATIENCE)), "it is not accepted")
    return text


def stored(checkout: Checkout) -> str:
    code = "from chat.models import Message; print(*Message.objects.values_list('body'))"
    done = checkout.manage("shell", "--verbosity=0", "--command", code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_command_that_outlives_it_keeps_the_servers(checkout: Checkout) -> None:
    process = checkout.serve()
    code = "print('ready', flush=True); input(); from core.models import User; User.objects.first()"
    with subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", code],
        cwd=checkout.directory,
        env=checkout.environment(),
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


def test_a_port_in_use_is_one_line_before_anything_starts(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", checkout.port)):
        line = one_line(checkout.manage("run"))
    assert f"Port {checkout.port}" in line
    assert "PORT=" in line
    assert not (checkout.directory / ".local/postgres").exists()


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"PORT": "http"}, "PORT must be a number"),
        ({"HOST": "http://127.0.0.1"}, "HOST must be the name"),
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


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_opening_it_to_others_is_warned_of(settings: Settings, host: str, warns: bool) -> None:
    settings.DEBUG = True
    said, warned = StringIO(), StringIO()
    Command(stdout=said, stderr=warned).announce(host, 8000)
    assert ("HOST=0.0.0.0 lets other machines in" in warned.getvalue()) is warns
    assert "http://127.0.0.1:8000/" in said.getvalue()


def test_demo_accounts_are_named_only_where_they_are_made(settings: Settings) -> None:
    settings.DEBUG = False
    said = StringIO()
    Command(stdout=said).announce("127.0.0.1", 8000)
    assert "demo" not in said.getvalue()
