"""Chats on one Redis: an original with two processes, and two copies of its database."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import redis

from chat.models import Room
from tests.support import databases, servers
from tests.support.servers import ChatServer
from tests.support.sockets import UNLIMITED, Client, cast_of, session_of, using, wait_until

PRESENCE = ("presence.joined", "presence.left", "chat.typing")


class Chats(NamedTuple):
    """The same room and sessions, as in all three databases."""

    first: ChatServer  # two processes of the original
    second: ChatServer
    beside: ChatServer  # a copy, on the same database number of Redis
    other: ChatServer  # another copy, on another number
    room: Room
    sessions: dict[str, str]

    @property
    def copies(self) -> tuple[ChatServer, ChatServer]:
        return self.beside, self.other

    def enter(self, stack: ExitStack, server: ChatServer, who: str = "owner") -> Client:
        client = Client(server, self.room.slug, session=self.sessions[who])
        stack.enter_context(client)
        client.until("presence.state")
        return client


@pytest.fixture(scope="module")
def chats(template_database: str, django_db_blocker: Any) -> Iterator[Chats]:
    env = {**UNLIMITED, "PRESENCE_GRACE_SECONDS": "0.2"}
    with ExitStack() as stack:
        original = stack.enter_context(databases.copied(template_database))
        with django_db_blocker.unblock(), using(original):
            cast = cast_of()
            people = {"owner": cast.owner, "member": cast.member, "moderator": cast.moderator}
            sessions = {name: session_of(user) for name, user in people.items()}
        copies = [stack.enter_context(databases.copied(original)) for _ in range(2)]
        first = stack.enter_context(
            servers.chat_server(template_database, env={**env, "DATABASE_URL": original})
        )
        url = urlsplit(first.env["REDIS_URL"])
        numbers = (url.path, "/1" if url.path in ("", "/0") else "/0")
        beside, other = (
            stack.enter_context(
                servers.chat_server(
                    template_database,
                    env={
                        **env,
                        "DATABASE_URL": copy,
                        "REDIS_URL": url._replace(path=path).geturl(),
                    },
                )
            )
            for copy, path in zip(copies, numbers, strict=True)
        )
        second = stack.enter_context(servers.chat_server(template_database, env=env, beside=first))
        yield Chats(first, second, beside, other, cast.room, sessions)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def nothing_came(clients: Iterable[Client], *kinds: str) -> None:
    """Asked after the same was heard in the original: they would have heard it by now."""
    for client in clients:
        came = {frame["type"] for frame in client.meanwhile()}
        assert not came & {*kinds}, client.frames


def test_a_message_is_heard_in_its_own_chat_alone(chats: Chats, stack: ExitStack) -> None:
    here, there = chats.enter(stack, chats.first), chats.enter(stack, chats.second, "member")
    copies = [chats.enter(stack, copy) for copy in chats.copies]
    here.say("from the original")
    there.until("chat.message", message="from the original")
    nothing_came(copies, "chat.message")
    for copy in copies:
        assert copy.say("from the copy")["pos"] == copy.say("and more")["pos"] - 1
    nothing_came([here, there], "chat.message")


def test_people_are_in_their_own_chat_alone(chats: Chats, stack: ExitStack) -> None:
    here = chats.enter(stack, chats.first)
    copies = [chats.enter(stack, copy) for copy in chats.copies]
    there = chats.enter(stack, chats.second, "moderator")
    here.until("presence.joined")
    there.send(type="chat.typing")
    here.until("chat.typing")
    nothing_came(copies, *PRESENCE)
    for copy in copies:
        assert copy.asks(type="presence.get")["online"] == 1
    there.close()
    here.until("presence.left")
    nothing_came(copies, *PRESENCE)
    for server in (chats.first, *chats.copies):
        cookies = {server.cookie(): chats.sessions["member"]}
        with httpx.Client(base_url=server.url, cookies=cookies) as http:
            wait_until(lambda h=http: "1 online" in h.get("/chat/").text, "somebody is too much")


def test_what_pages_and_the_admin_tell_reaches_the_chat_that_it_was_done_in(
    chats: Chats, stack: ExitStack
) -> None:
    away = chats.enter(stack, chats.second, "moderator")
    copies = [chats.enter(stack, copy, "moderator") for copy in chats.copies]
    here = chats.enter(stack, chats.first)
    chats.first.manage(
        "shell", "-c",
        "from chat.models import Room, Sanction; from core.models import User;"
        f"room = Room.objects.get(pk={chats.room.pk}); room.topic = 'New'; room.save();"
        "user = User.objects.get(display_name='Mo Moderator');"
        "Sanction.objects.create(user=user, room=room, kind='ban')",
    )  # fmt: skip
    here.until("room.updated")
    assert away.close_code() == 4403
    nothing_came(copies, "room.updated", "room.closed")


def test_limits_count_in_their_own_chat(chats: Chats) -> None:
    code = (
        "from core.web import throttle;"
        "print('found:', [throttle.allowed('test', '2/minute', 'me') for _ in range(3)])"
    )
    for server in (chats.first, *chats.copies):
        assert "found: [True, True, False]" in server.manage("shell", "-c", code)
    assert "found: [False, False, False]" in chats.second.manage("shell", "-c", code)


def test_every_name_in_redis_begins_with_the_prefix_of_its_chat(
    chats: Chats, stack: ExitStack
) -> None:
    everybody = (chats.first, chats.second, *chats.copies)
    use = (
        "import channels.layers; from asgiref.sync import async_to_sync as sync;"
        "from core.redis import installation; from core.web import throttle;"
        "layer = channels.layers.get_channel_layer();"
        "sync(layer.send)('waits', {'type': 'x'}); sync(layer.group_add)('group', 'channel');"
        "throttle.allowed('test', '9/minute', 'somebody');"
        "print('prefix:', installation.prefix())"
    )
    prefixes = {}
    for server in everybody:
        chats.enter(stack, server).say("hello")
        prefixes[server] = server.manage("shell", "-c", use).rpartition("prefix: ")[2].strip()
    assert prefixes[chats.first] == prefixes[chats.second]
    ours = {*prefixes.values()}
    assert len(ours) == 3
    assert all(prefix.startswith("chat-") for prefix in ours)
    for server in everybody:
        with redis.Redis.from_url(server.env["REDIS_URL"], decode_responses=True) as client:
            keys = [*client.scan_iter()]
            channels = client.pubsub_channels()
        for name in (*keys, *channels):
            assert name.startswith(tuple(ours)), name
        mine = [name[len(prefixes[server]) :] for name in keys if name.startswith(prefixes[server])]
        for part in ("presence:{", "throttle:", "waits", ":group:group"):
            assert any(name.startswith(part) for name in mine), (part, mine)
        heard = [name for name in channels if name.startswith(prefixes[server])]
        for part in ("__group__hubs", "__group__room.", "hub."):
            assert any(part in name for name in heard), (part, heard)


def test_a_role_that_may_not_ask_for_the_clusters_identity_has_one_of_its_own(
    template_database: str,
) -> None:
    ask = (
        "shell",
        "-c",
        "from core.redis import installation; print('is:', installation.prefix())",
    )
    with databases.copied(template_database) as url, psycopg.connect(url, autocommit=True) as owner:
        before = databases.manage(*ask, env={"DATABASE_URL": url}).rpartition("is: ")[2]
        owner.execute("CREATE ROLE plain_chat LOGIN PASSWORD 'plain'")
        try:
            owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain_chat")
            plain = urlsplit(url)
            place = plain.netloc.rpartition("@")[2]
            env = {"DATABASE_URL": plain._replace(netloc=f"plain_chat:plain@{place}").geturl()}
            assert databases.manage(*ask, env=env).rpartition("is: ")[2] == before
            owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
            without = databases.manage(*ask, env=env).rpartition("is: ")[2]
        finally:
            owner.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
            owner.execute("DROP OWNED BY plain_chat")
            owner.execute("DROP ROLE plain_chat")
    assert without.startswith("chat-")
    assert without != before
