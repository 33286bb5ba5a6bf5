"""PgBouncer between the chat and PostgreSQL: it works in session mode, and says no in others."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import servers
from tests.support.databases import ROOT
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.ports import free_port
from tests.support.servers import ChatServer
from tests.support.sockets import UNLIMITED, Cast, cast_of, wait_until


@pytest.fixture(scope="module")
def sessions(chat_database: str) -> Iterator[PgBouncer]:
    with pgbouncer(chat_database, "session") as running:
        yield running


@pytest.fixture(scope="module")
def two(sessions: PgBouncer, template_database: str) -> Iterator[tuple[ChatServer, ChatServer]]:
    """Two processes of one chat behind it."""
    env = {**UNLIMITED, "DATABASE_URL": sessions.url}
    with (
        servers.chat_server(template_database, env=env) as one,
        servers.chat_server(template_database, env=UNLIMITED, beside=one) as other,
    ):
        yield one, other


def test_in_session_mode_people_talk_and_come_back_to_what_was_said(
    two: tuple[ChatServer, ChatServer], cast: Cast, enter: Any
) -> None:
    member, owner = enter(two[0], cast.room, cast.member), enter(two[1], cast.room, cast.owner)
    for number in range(30):
        sender, listener = (member, owner) if number % 2 else (owner, member)
        sent = sender.say(f"message {number}")
        assert listener.until("chat.message", seq=sent["seq"])["message"] == f"message {number}"
    first = owner.had("chat.message", seq=1)
    member.send(type="chat.edit", id=first["id"] + 1, message="put better")
    assert owner.until("chat.edited")["message"] == "put better"
    again = enter(two[1], cast.room, cast.member)
    said = [one["message"] for one in again.had("chat.history")["messages"]]
    assert said == ["message 0", "put better", *(f"message {number}" for number in range(2, 30))]


def test_in_session_mode_pages_are_served_and_it_is_well(
    two: tuple[ChatServer, ChatServer], sign_in: Any
) -> None:
    for server in two:
        browser = sign_in(server, "mod")
        for path in ("/chat/", "/chat/lobby/", "/admin/chat/message/", "/chat/a-new-one/") * 5:
            assert browser.get(path).status_code == 200
        assert browser.get("/healthz").json()["postgresql"] == "ok"
        said = server.log.read_text()
        assert "Traceback" not in said
        assert "prepared statement" not in said


def test_in_session_mode_a_session_that_goes_to_another_client_has_nothing_left(
    chat_database: str, template_database: str, enter: Any
) -> None:
    """Of so few sessions that the second process gets those of the first."""
    cast = cast_of()
    with pgbouncer(chat_database, "session") as bouncer:
        env = {**UNLIMITED, "DATABASE_URL": bouncer.url}
        for text in ("one", "two"):
            with servers.chat_server(template_database, env=env) as server:
                client = enter(server, cast.room, cast.member)
                assert client.say(text)["message"] == text
                client.close()
                pids = _server_pids(bouncer)
            wait_until(lambda: _idle(bouncer), "the sessions were not given back")
        assert pids & _server_pids(bouncer), "no session was used twice: this proves nothing"


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_in_other_modes_the_server_and_commands_say_so_and_end_with_status_1(
    mode: str, chat_database: str
) -> None:
    with pgbouncer(chat_database, mode) as bouncer:
        commands = [["-m", "core.server"], ["manage.py", "run"], ["manage.py", "clearsessions"]]
        for command in commands:
            status, said = _run(command, bouncer.url)
            assert status == 1, (command, said)
            assert "pool_mode = session" in said
            assert "Traceback" not in said
            assert bouncer.url not in said
            (line,) = [line for line in said.splitlines() if "pool_mode" in line]
            assert re.match(r"(core\.server|manage\.py): ", line)


def test_where_it_is_put_in_later_nothing_is_served_from_it_until_its_mode_is_right(
    chat_database: str, template_database: str
) -> None:
    """PostgreSQL is away when we start; what comes up then is a pooler in the wrong mode."""
    with pgbouncer(chat_database, "transaction") as bouncer:
        bouncer.stop()
        env = {**UNLIMITED, "DATABASE_URL": bouncer.url}
        with servers.chat_server(template_database, env=env) as server:
            health = f"{server.url}/healthz"
            assert httpx.get(health, timeout=30).json()["postgresql"] == "away"
            bouncer.start()
            wait_until(
                lambda: _answer(health)["postgresql"] == "transaction pooling",
                "it is not found",
            )
            assert httpx.get(health, timeout=30).status_code == 503
            page = httpx.get(f"{server.url}/chat/", timeout=30)
            assert (page.status_code, "Retry-After" in page.headers) == (503, True)
            bouncer.configure("session")
            wait_until(lambda: _answer(health)["postgresql"] == "ok", "it does not recover")
            assert 1 <= server.log.read_text().count("pool_mode = session") <= 3


def test_a_mode_that_is_changed_under_us_is_found_by_what_fails(
    chat_database: str, template_database: str, enter: Any, sign_in: Any
) -> None:
    cast = cast_of()
    with pgbouncer(chat_database, "session") as bouncer:
        env = {**UNLIMITED, "DATABASE_URL": bouncer.url}
        with servers.chat_server(template_database, env=env) as server:
            enter(server, cast.room, cast.member).say("while it is well")
            browsers = [sign_in(server, name) for name in ("alice", "bob", "carol", "mod")]
            bouncer.configure("transaction", size=3)
            _end_clients(bouncer)
            health = f"{server.url}/healthz"

            def is_found() -> bool:
                for browser in browsers:
                    browser.get("/chat/")
                return bool(_answer(health)["postgresql"] == "transaction pooling")

            wait_until(is_found, "it is not found")


def _answer(url: str) -> Any:
    return httpx.get(url, timeout=30).json()


def _run(command: list[str], url: str) -> tuple[int, str]:
    env = {**os.environ, "DATABASE_URL": url, "PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _server_pids(bouncer: PgBouncer) -> set[str]:
    return {row["remote_pid"] for row in bouncer.admin("SHOW SERVERS")}


def _idle(bouncer: PgBouncer) -> bool:
    return all(row["state"] == "idle" for row in bouncer.admin("SHOW SERVERS"))


def _end_clients(bouncer: PgBouncer) -> None:
    """As PostgreSQL's restart would: sessions of before end, and with them their clients."""
    pids = [int(pid) for pid in _server_pids(bouncer)]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as operator:
        operator.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [pids])
