"""A PostgreSQL that takes no writes, or has no room: everybody is told, until it is over."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
from django.db import connection

from chat.models import Message
from tests.support.databases import ROOT
from tests.support.pages import Page
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, end_backends, wait_until

Enter = Callable[..., Client]
SignIn = Callable[[ChatServer, str], Page]


@contextmanager
def set_in_database(url: str, setting: str, value: str) -> Iterator[None]:
    """For connections that are made meanwhile, and for as long as each of them lives."""
    name = urlsplit(url).path[1:]
    mine = {"dbname": "postgres", "application_name": "operator"}
    with psycopg.connect(url, **mine, autocommit=True) as operator:
        operator.execute(f'ALTER DATABASE "{name}" SET {setting} = {value}')
        try:
            end_backends()
            yield
        finally:
            operator.execute(f'ALTER DATABASE "{name}" RESET {setting}')


@contextmanager
def no_room_for_messages() -> Iterator[None]:
    """What PostgreSQL says when a table cannot grow. (With a disk that is full: `make faults`.)"""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE SQLSTATE '53100' USING MESSAGE = 'could not extend file: No space left';
            END $$;
            CREATE TRIGGER no_room BEFORE INSERT ON chat_message
                FOR EACH ROW EXECUTE FUNCTION no_room();
            """
        )
        try:
            yield
        finally:
            cursor.execute("DROP FUNCTION no_room CASCADE")


def health(server: ChatServer) -> tuple[int, str]:
    answer = httpx.get(f"{server.url}/healthz", timeout=30)
    return answer.status_code, answer.json()["postgresql"]


def refusal(client: Client, text: str, client_id: str) -> dict[str, Any]:
    client.send(message=text, client_id=client_id)
    return client.until("error", client_id=client_id)


def test_a_phase_without_writes_is_said_to_everybody_and_needs_no_restart(
    chat: ChatServer, chat_database: str, cast: Cast, enter: Enter, sign_in: SignIn
) -> None:
    """Takes seconds: the writer tries again for one."""
    client = enter(chat, cast.room, cast.member, lines=True)
    page, moderator = sign_in(chat, "alice"), sign_in(chat, "mod")
    client.say("before")
    client_id = str(uuid4())
    mute = {"user": str(cast.member.pk), "room": str(cast.room.pk), "kind": "mute"}
    with set_in_database(chat_database, "default_transaction_read_only", "on"):
        error = refusal(client, "meanwhile", client_id)
        assert error["code"] == "unavailable"
        assert error["retry_after"] > 0
        for answer in (
            page.get("/chat/a-room-of-that-time/"),
            httpx.get(f"{chat.url}/chat/for-a-guest/", timeout=30),
            moderator.fill_in("/admin/chat/sanction/add/", **mute),
        ):
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert health(chat) == (503, "read-only")
        assert page.get("/chat/").status_code == 200  # reading goes on
        assert client.asks(type="chat.history")["messages"][-1]["message"] == "before"
    _wait_for_writes(page)
    for number in range(10):
        assert page.get(f"/chat/afterwards-{number}/").status_code == 200
    assert client.say("meanwhile", client_id=client_id)["seq"] == 2
    assert health(chat) == (200, "ok")
    assert Message.objects.filter(room=cast.room).count() == 2
    assert "Traceback" not in chat.log.read_text()


def _wait_for_writes(page: Page) -> None:
    """Connections are replaced at most once a second, and then all that there are. A page of a new
    room writes; one of a room that is there need not."""
    new = f"/chat/new-{uuid4().hex[:8]}/"
    wait_until(lambda: page.get(new).status_code == 200, "nothing can be written again")


def test_who_cannot_be_signed_out_is_told_so_and_stays(
    chat: ChatServer, chat_database: str, cast: Cast, enter: Enter, sign_in: SignIn
) -> None:
    page = sign_in(chat, "alice")
    client = enter(chat, cast.room, session=page.cookies[chat.cookie()])
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.get("/chat/").text))
    form = {"csrfmiddlewaretoken": token}
    with set_in_database(chat_database, "default_transaction_read_only", "on"):
        assert page.post("/accounts/sign-out/", data=form).status_code == 503
        assert client.asks(type="chat.history")
    _wait_for_writes(page)
    assert client.asks(type="chat.history")
    assert page.post("/accounts/sign-out/", data=form).status_code == 302
    client.until("room.closed", detail="You are signed out.")


def test_a_health_check_alone_finds_that_such_a_phase_is_over(
    chat: ChatServer, chat_database: str
) -> None:
    """A process that is not ready gets no requests: nobody else would find out."""
    with set_in_database(chat_database, "default_transaction_read_only", "on"):
        assert health(chat) == (503, "read-only")
    wait_until(lambda: health(chat) == (200, "ok"), "it does not recover")


def test_a_full_disk_is_said_to_senders_and_in_a_few_lines_to_the_log(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    """Takes seconds: so long a write that failed speaks for the disk."""
    client = enter(chat, cast.room, cast.member)
    client_ids = [str(uuid4()) for _ in range(100)]
    before = len(chat.log.read_text())
    with no_room_for_messages():
        for n, client_id in enumerate(client_ids):
            assert refusal(client, str(n), client_id)["code"] == "unavailable"
            assert client.asks(type="ping")["type"] == "pong"
        lines = chat.log.read_text()[before:].splitlines()
        assert health(chat) == (503, "full")
    assert len([line for line in lines if "No space left" in line]) == 1
    assert len(lines) <= 3, lines
    for n, client_id in enumerate(client_ids):
        assert client.say(str(n), client_id=client_id)["seq"] == n + 1
    assert Message.objects.filter(room=cast.room).count() == len(client_ids)
    wait_until(lambda: health(chat) == (200, "ok"), "it does not recover")


def test_a_disk_without_room_for_a_temporary_file_is_not_ready(
    chat: ChatServer, chat_database: str
) -> None:
    with set_in_database(chat_database, "temp_file_limit", "0"):
        assert health(chat) == (503, "full")
    end_backends()
    wait_until(lambda: health(chat) == (200, "ok"), "it does not recover")


def test_a_health_check_writes_nothing_to_the_databases_log(chat: ChatServer) -> None:
    def written() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (pg_stat_get_backend_wal(pid)).wal_records FROM pg_stat_activity"
                " WHERE application_name = 'under_test' AND backend_type = 'client backend'"
            )
            return sum(row[0] for row in cursor.fetchall())

    health(chat)
    before, checks = written(), 20
    for _ in range(checks):
        assert health(chat) == (200, "ok")
    # One that writes does so each time. PostgreSQL itself may tidy a page of its catalogs once.
    assert written() - before < checks / 2


def test_a_command_says_it_in_one_line(chat: ChatServer, chat_database: str) -> None:
    with set_in_database(chat_database, "default_transaction_read_only", "on"):
        done = subprocess.run(
            [sys.executable, "manage.py", "seed", "--rooms=1", "--users=1", "--messages=1"],
            cwd=ROOT,
            env=chat.env,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"^manage\.py: .*read-only transaction.*It takes no writes", done.stderr, re.M)
