"""`manage.py runserver` as a developer uses it: real processes, saved files, a terminal's signals.

Each test starts the command in a checkout of its own, which takes some seconds.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support import databases
from tests.support.checkout import (
    PATIENCE,
    Checkout,
    end,
    one_line,
    until_it_says,
    until_it_serves,
)

SERVERS = {"postgres", "valkey-server"}


@pytest.fixture
def given(template_database: str) -> Iterator[dict[str, str]]:
    """The addresses of servers that are there, for what is not about starting them."""
    with databases.copied(template_database) as url:
        yield {"DATABASE_URL": url, "REDIS_URL": os.environ["REDIS_URL"]}


def wait_until(condition: Callable[[], object], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


def inner(outer: "subprocess.Popen[str]") -> psutil.Process:
    (found,) = (
        child for child in psutil.Process(outer.pid).children() if "runserver" in child.cmdline()
    )
    return found


def servers_of(checkout: Checkout) -> set[psutil.Process]:
    """The embedded servers, without the processes that serve one connection of PostgreSQL's."""
    running = {one for one in checkout.processes() if one.name() in SERVERS}
    return {one for one in running if one.parent() not in running}


def socket_to(checkout: Checkout) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{checkout.port}/ws/chat/lobby/", proxy=None)


def say(socket: ClientConnection, text: str) -> None:
    socket.send(f'{{"message": "{text}"}}')
    while f'"message":"{text}"' not in str(socket.recv(PATIENCE)):
        pass


def last_of(socket: ClientConnection) -> str:
    """Read until it is closed, and return what came last."""
    last = ""
    with suppress(ConnectionClosed):
        while True:
            last = str(socket.recv(PATIENCE))
    return last


# -- what it serves ---------------------------------------------------------------------------


def test_it_serves_pages_static_files_and_sockets_with_our_own_server(
    checkout: Checkout, given: dict[str, str]
) -> None:
    process = checkout.serve("runserver", str(checkout.port), **given)
    assert "System check identified no issues" in checkout.output
    site = f"http://127.0.0.1:{checkout.port}"
    assert httpx.get(f"{site}/accounts/sign-in/").status_code == 200
    assert httpx.get(f"{site}/static/chat/js/pages/room.js").status_code == 200
    with socket_to(checkout) as socket:
        say(socket, "hello")
    assert end(process, signal.SIGINT)[0] == 0
    assert not checkout.processes()


def test_without_static_files_and_reloading_where_that_is_asked_for(
    checkout: Checkout, given: dict[str, str]
) -> None:
    process = checkout.serve("runserver", "--nostatic", "--noreload", **given)
    assert "watching" not in checkout.output
    assert not psutil.Process(process.pid).children()
    site = f"http://127.0.0.1:{checkout.port}"  # PORT is the default
    assert httpx.get(f"{site}/static/chat/js/pages/room.js").status_code == 404
    assert httpx.get(f"{site}/accounts/sign-in/").status_code == 200
    assert end(process, signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("0:{}", "127.0.0.1"),
        ("localhost:{}", "127.0.0.1"),
        ("[::1]:{}", "[::1]"),
        ("-6 {}", "[::1]"),
    ],
)
def test_an_address_is_taken_as_django_takes_it(
    checkout: Checkout, given: dict[str, str], address: str, host: str
) -> None:
    arguments = address.format(checkout.port).split()
    process = checkout.serve("runserver", "--noreload", *arguments, PORT="1", HOST="", **given)
    page = httpx.get(f"http://{host}:{checkout.port}/accounts/sign-in/")
    assert f"chat_csrf_{checkout.port}" in page.cookies
    assert end(process, signal.SIGTERM)[0] == 0


def test_migrations_that_are_missing_are_said(checkout: Checkout) -> None:
    process = checkout.serve("runserver")
    assert "unapplied migration" in checkout.output
    end(process, signal.SIGTERM)


def test_the_tests_own_server_still_starts(checkout: Checkout, given: dict[str, str]) -> None:
    name = f"test_{os.urandom(6).hex()}"
    test = f"DATABASES['default']['TEST'] = {{'NAME': '{name}'}}"
    settings = checkout.directory / "core/settings.py"
    settings.write_text(f"{settings.read_text()}\n{test}\n")
    (checkout.directory / "nobody.json").write_text("[]")
    arguments = ["nobody.json", "--noinput", "--addrport", str(checkout.port)]
    process = checkout.serve("testserver", *arguments, **given)
    page = httpx.get(f"http://127.0.0.1:{checkout.port}/accounts/sign-in/")
    assert page.status_code == 200
    end(process, signal.SIGINT)
    with psycopg.connect(given["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["here:8000:1"], "'here:8000:1' is no port"),
        (["99999"], "PORT must be a number"),
        (["192.0.2.1:8000"], "192.0.2.1"),
        (["-6", "127.0.0.1:8000"], "127.0.0.1 is no address of IPv6"),
    ],
)
def test_an_address_that_cannot_be_is_one_line(
    checkout: Checkout, arguments: list[str], says: str
) -> None:
    assert says in one_line(checkout.manage("runserver", *arguments))
    assert not (checkout.directory / ".local").exists()


def test_where_debug_is_off_it_says_what_serves_in_production(
    checkout: Checkout, given: dict[str, str]
) -> None:
    production = {"SECRET_KEY": "x" * 40, "ALLOWED_HOSTS": "chat.example.org", **given}
    line = one_line(checkout.manage("runserver", **production))
    assert "python -m core.server" in line


def test_help_starts_nothing(checkout: Checkout) -> None:
    done = checkout.manage("runserver", "--help")
    assert done.returncode == 0
    assert "--noreload" in done.stdout
    assert not (checkout.directory / ".local/postgres").exists()


# -- a file is saved --------------------------------------------------------------------------


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_saved_file_is_served_and_sockets_come_back_while_the_servers_live_on(
    checkout: Checkout,
) -> None:
    assert checkout.manage("migrate", "--verbosity=0").returncode == 0
    process = checkout.serve("runserver")
    servers = servers_of(checkout)
    assert {one.name() for one in servers} == SERVERS
    before = inner(process).pid
    with socket_to(checkout) as socket:
        say(socket, "before")
        edit(checkout.directory / "core/urls.py", '"accounts/', '"people/')
        assert '"retry_after":' in last_of(socket)
        assert socket.close_code == 4410
    until_it_serves(process)
    assert inner(process).pid != before
    assert httpx.get(f"http://127.0.0.1:{checkout.port}/people/sign-in/").status_code == 200
    with socket_to(checkout) as socket:
        assert '"message":"before"' in str(socket.recv(PATIENCE))
    assert servers_of(checkout) == servers
    assert end(process, signal.SIGINT)[0] == 0
    assert not checkout.processes()


@pytest.mark.parametrize(
    "name",
    ["chat/views.py", "core/settings.py", "core/local/checkout.py"],
)
def test_a_mistake_in_a_saved_file_is_shown_and_the_next_save_mends_it(
    checkout: Checkout, given: dict[str, str], name: str
) -> None:
    path = checkout.directory / name
    right = path.read_text()
    process = checkout.serve("runserver", **given)
    path.write_text(f"{right}\ndef broken(:\n")
    said = until_it_says(process, "Waiting for a file to change")
    assert "SyntaxError" in said
    path.write_text(right)
    until_it_serves(process)
    assert httpx.get(f"http://127.0.0.1:{checkout.port}/chat/").status_code == 200
    assert end(process, signal.SIGINT)[0] == 0
    assert not checkout.processes()


def test_a_mistake_that_is_there_at_the_start_is_waited_out_too(
    checkout: Checkout, given: dict[str, str]
) -> None:
    path = checkout.directory / "chat/views.py"
    right = path.read_text()
    path.write_text(f"{right}\nimport nothing_of_that_name\n")
    process = checkout.run("runserver", **given)
    assert "nothing_of_that_name" in until_it_says(process, "Waiting for a file to change")
    path.write_text(right)
    until_it_serves(process)
    end(process, signal.SIGTERM)


def test_a_check_that_fails_is_waited_out_and_can_be_left(
    checkout: Checkout, given: dict[str, str]
) -> None:
    process = checkout.serve("runserver", **given)
    settings = checkout.directory / "core/settings.py"
    settings.write_text(settings.read_text() + "\nCHAT_HISTORY_PAGE = 0\n")
    assert "core.E006" in until_it_says(process, "Waiting for a file to change")
    status, output = end(process, signal.SIGINT)
    assert (status, "Traceback" in output) == (0, False)
    assert not checkout.processes()


# -- its end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_leaves_nothing_behind(
    checkout: Checkout, number: signal.Signals
) -> None:
    process = checkout.serve("runserver")
    assert {one.name() for one in checkout.processes()} >= SERVERS
    assert end(process, number)[0] == 0
    assert not checkout.processes()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_reaches_both_processes_and_they_end(checkout: Checkout, times: int) -> None:
    process = checkout.serve("runserver")
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in output
    assert not checkout.processes()


def test_ctrl_c_while_it_starts_leaves_nothing_behind(checkout: Checkout) -> None:
    process = checkout.run("runserver")
    wait_until(
        lambda: any(one.name() in ("initdb", "postgres") for one in checkout.processes()),
        "nothing starts",
    )
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 3
    assert "Traceback" not in output
    assert not checkout.processes()


def test_ctrl_c_while_the_inner_one_starts_leaves_nothing_behind(
    checkout: Checkout, given: dict[str, str]
) -> None:
    process = checkout.run("runserver", **given)
    wait_until(lambda: psutil.Process(process.pid).children(), "nothing starts")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Traceback" in output) == (0, False), output
    assert not checkout.processes()


def test_when_the_outer_one_is_killed_the_inner_one_ends_and_stops_the_servers(
    checkout: Checkout,
) -> None:
    process = checkout.serve("runserver")
    process.kill()
    process.communicate(timeout=PATIENCE)  # the inner one writes into it until its own end
    wait_until(lambda: not checkout.processes(), "something is left")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, 137)])
def test_when_the_inner_one_is_ended_so_is_the_outer_one(
    checkout: Checkout, number: signal.Signals, status: int
) -> None:
    process = checkout.serve("runserver")
    inner(process).send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == status
    assert not checkout.processes()


@pytest.mark.parametrize("command", ["run", "runserver"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_background_of_a_script_it_hears_signals_too(
    checkout: Checkout, command: str, number: signal.Signals
) -> None:
    """A shell without a terminal has what it puts into the background ignore SIGINT."""
    start = shlex.join([sys.executable, "manage.py", command])
    shell = checkout.start("sh", "-c", f"{start} & echo pid $!; wait $!; echo ended")
    pid = int(until_it_says(shell, "pid").split()[-1])
    until_it_serves(shell)
    os.kill(pid, number)
    until_it_says(shell, "ended")
    shell.communicate(timeout=PATIENCE)
    assert not checkout.processes()


@pytest.mark.parametrize("command", ["run", "runserver"])
def test_under_nohup_it_outlives_its_terminal_and_still_ends(
    checkout: Checkout, command: str
) -> None:
    shell = checkout.start("nohup", sys.executable, "manage.py", command)
    until_it_serves(shell)
    os.killpg(shell.pid, signal.SIGHUP)
    page = f"http://127.0.0.1:{checkout.port}/livez"
    assert httpx.get(page).status_code == 200
    assert end(shell, signal.SIGTERM)[0] == 0
    assert not checkout.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_make_run_ends_with_make(checkout: Checkout, number: signal.Signals) -> None:
    make = _make_run(checkout)
    make.send_signal(number)
    make.communicate(timeout=PATIENCE)
    wait_until(lambda: not checkout.processes(), "something is left")


def _make_run(checkout: Checkout) -> "subprocess.Popen[str]":
    python = checkout.directory / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    # Installed long ago, as it were.
    make = checkout.start("make", "--old-file=.venv/run.stamp", "run")
    until_it_serves(make)
    return make
