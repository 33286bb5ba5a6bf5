"""On the PostgreSQL of Debian's stable release: all that is tested elsewhere is on the newest."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import servers
from tests.support.databases import manage
from tests.support.debian_postgresql import postgresql
from tests.support.servers import ChatServer
from tests.support.sockets import UNLIMITED, Client

OLDEST, NEWEST = 15, 18  # those that the README names


@pytest.fixture(scope="module")
def older(template_database: str) -> Iterator[ChatServer]:
    with postgresql() as url:
        env = {"DATABASE_URL": url}
        for command in ("migrate", "demo"):
            manage(command, "--verbosity=0", env=env)
        with servers.chat_server(template_database, env=UNLIMITED | env) as running:
            yield running


def test_people_talk_and_come_back_to_what_was_said(older: ChatServer, sign_in: Any) -> None:
    with psycopg.connect(older.env["DATABASE_URL"]) as connection:
        assert OLDEST <= connection.info.server_version // 10_000 < NEWEST
    page = sign_in(older, "alice")
    session = page.cookies[older.cookie()]
    with Client(older, "lobby", session=session) as client:
        client.until("presence.state")
        for number in range(30):
            client.say(f"message {number}")
        sent = client.say("put badly")
        client.send(type="chat.edit", id=sent["id"], message="put better")
        assert client.until("chat.edited")["message"] == "put better"
        client.send(type="chat.react", id=sent["id"], emoji="👍")
        client.until("chat.reaction")
    with Client(older, "lobby", session=session) as again:
        said = [one["message"] for one in again.until("chat.history")["messages"]]
        assert said[-2:] == ["message 29", "put better"]


def test_pages_are_served_and_it_is_well(older: ChatServer, sign_in: Any) -> None:
    page = sign_in(older, "mod")
    for path in ("/chat/", "/chat/lobby/", "/chat/a-new-one/", "/admin/chat/message/?q=message"):
        assert page.get(path).status_code == 200, path
    for path in ("room", "sanction", "auditentry", "membership"):
        assert page.get(f"/admin/chat/{path}/").status_code == 200, path
    assert httpx.get(f"{older.url}/healthz").json()["status"] == "ok"
    assert "Traceback" not in older.log.read_text()
