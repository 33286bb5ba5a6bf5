"""The server in a process of its own, and where it listens."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from core import address, database, server
from core.errors import Problem
from tests.support.databases import ROOT
from tests.support.servers import ChatServer

StartServer = Callable[..., ChatServer]


def test_it_serves_and_ends_on_sigterm_with_status_0(start_server: StartServer) -> None:
    server = start_server()
    assert httpx.get(f"{server.url}/accounts/sign-in/").status_code == 200
    assert server.stop() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_what_is_not_found_is_logged_once(start_server: StartServer) -> None:
    server = start_server(env={"DEBUG": "on"})
    assert httpx.get(f"{server.url}/nowhere").status_code == 404
    assert server.log.read_text().count("/nowhere") == 1


def test_it_comes_back_on_its_data_after_a_crash(start_server: StartServer) -> None:
    server = start_server()
    server.kill()
    server.start()
    assert httpx.get(f"{server.url}/accounts/sign-in/").status_code == 200


def test_two_processes_of_one_chat_share_database_and_redis(start_server: StartServer) -> None:
    first = start_server()
    second = start_server(beside=first)
    assert first.url != second.url
    assert {first.env[name] == second.env[name] for name in ("DATABASE_URL", "REDIS_URL")} == {True}


def test_servers_of_different_tests_share_nothing(start_server: StartServer) -> None:
    first, second = start_server(), start_server()
    assert first.env["DATABASE_URL"] != second.env["DATABASE_URL"]


def test_a_port_in_use_is_said_and_fails(start_server: StartServer) -> None:
    server = start_server()
    done = subprocess.run(
        [sys.executable, "-m", "core.server"],
        cwd=ROOT,
        env=server.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"port {server.port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_tables_that_are_not_there_are_said_at_the_start(
    caplog: pytest.LogCaptureFixture, db: None
) -> None:
    """Else the first that anybody hears of a forgotten `migrate` is an error in their browser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "ensure_answer", lambda: None)
        patch.setattr(database, "unapplied_migrations", lambda: ["chat.0001_initial"])
        server.say_what_is_missing()
    assert "1 migrations are missing: run `manage.py migrate`" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"PRESENCE_SHOWN": "251"}, "core.E015"), ({"CHAT_MESSAGE_MAX": "5000"}, "core.E010")],
    ids=["the project's", "the chat's"],
)
def test_it_does_not_start_with_settings_that_contradict_each_other(
    wrong: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.server"],
        cwd=ROOT,
        env=os.environ | wrong,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"core.server: ({says})")


def test_by_default_only_this_machine_can_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.setenv("PORT", "")
    assert address.chosen() == ("127.0.0.1", 8000)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8000 ", "http", "٣"])
def test_a_port_must_be_a_port(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Problem, match="PORT"):
        address.chosen()


@pytest.mark.parametrize(
    ("host", "loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8000/"),
        ("localhost", True, "http://localhost:8000/"),
        ("::1", True, "http://[::1]:8000/"),
        ("0.0.0.0", False, "http://127.0.0.1:8000/"),
        ("::", False, "http://[::1]:8000/"),
        ("chat.example.org", False, "http://chat.example.org:8000/"),
    ],
)
def test_what_to_type_into_a_browser(host: str, loopback: bool, url: str) -> None:
    assert address.url(host, 8000) == url
    assert address.is_loopback(host) is loopback


def test_a_port_that_somebody_uses_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=f"Port {port}"):
            address.ensure_free("127.0.0.1", port)
    address.ensure_free("127.0.0.1", port)
