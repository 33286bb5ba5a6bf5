"""Who is online in a room, in the admin, and disconnecting a connection."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from chat.admin import online
from chat.factories import RoomFactory, UserFactory
from chat.live import bus
from chat.models import AuditEntry, Room
from chat.online.pages import reader
from chat.protocol.errors import Close
from core.models import User
from tests.chat.admin.pages import Look
from tests.support.presence import presence_keys
from tests.support.servers import ChatServer
from tests.support.sockets import PATIENCE, Cast, signed_in, wait_until


class TestPages:
    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def room(self) -> Room:
        return RoomFactory(slug="lobby", title="The lobby")

    @pytest.fixture
    def alice(self, room: Room, clean_redis: str) -> User:
        """Has two connections in the room."""
        alice = UserFactory(username="alice", display_name="Alice <i>")
        hold(clean_redis, room, alice, "a.1", "a.2")
        return alice

    @pytest.fixture(autouse=True)
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What the processes were told."""
        told: list[Any] = []
        monkeypatch.setattr(bus, "tell_processes", lambda message: told.append(message) or True)
        return told

    def test_a_room_shows_who_is_there(
        self, look: Look, room: Room, alice: User, clean_redis: str
    ) -> None:
        hold(clean_redis, room, UserFactory(display_name="bob"), "b.1")
        page = look(f"chat/room/{room.pk}/change/").text
        assert "Online (2)" in page
        assert rows(page) == [
            "Alice &lt;i&gt; 2 disconnect 1 of Alice &lt;i&gt; disconnect 2 of Alice &lt;i&gt;",
            "bob 1 disconnect of bob",
        ]

    def test_an_empty_room_says_so_and_a_new_one_says_nothing(
        self, look: Look, room: Room, clean_redis: str
    ) -> None:
        assert "Nobody is online." in look(f"chat/room/{room.pk}/change/").text
        assert "online" not in look("chat/room/add/").text

    def test_of_a_crowd_the_first_by_name_are_shown(
        self, look: Look, room: Room, clean_redis: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(online, "SHOWN_MAX", 2)
        for name in ("Cleo", "abe", "Bea"):
            hold(clean_redis, room, UserFactory(display_name=name), "x.1")
        hold(clean_redis, room, UserFactory(username="Dan", display_name=""), "x.1")
        page = look(f"chat/room/{room.pk}/change/")
        assert "Online (4)" in page.text
        assert [row.split()[0] for row in rows(page.text)] == ["abe", "Bea"]
        assert "and 2 more" in page.text
        (asked,) = [sql for sql in page.queries if "lower(" in sql.lower()]
        assert "LIMIT 2" in asked  # the others are not even read

    def test_without_redis_nobody_says_that_nobody_is_there(
        self,
        moderator: Client,
        room: Room,
        alice: User,
        told: list[Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        class Away:
            def zrange(self, *_: object) -> Any:
                raise redis.ConnectionError

            zscore = zrange

        monkeypatch.setattr(reader, "_redis", Away)
        page = moderator.get(f"/admin/chat/room/{room.pk}/change/", secure=True).content.decode()
        assert "Redis is not responding" in page
        assert "Online (" not in page
        address = f"/admin/chat/room/{room.pk}/disconnect/{alice.pk}/a.1/"
        for ask in (moderator.get, moderator.post):
            page = ask(address, secure=True, follow=True).content.decode()
            assert "could not be notified" in page
            assert "already closed" not in page
        assert not told

    def test_a_moderator_is_asked_first_and_what_they_did_is_noted(
        self, moderator: Client, room: Room, alice: User, told: list[Any]
    ) -> None:
        address = f"/admin/chat/room/{room.pk}/disconnect/{alice.pk}/a.2/"
        page = moderator.get(address, secure=True).content.decode()
        assert "Disconnect Alice &lt;i&gt; (alice)?" in page
        assert "csrfmiddlewaretoken" in page
        assert not told
        response = moderator.post(address, secure=True, follow=True)
        page = response.content.decode()
        assert "Closing one connection of Alice &lt;i&gt; (alice)." in page
        detail = "A moderator disconnected you."
        assert told == [
            bus.CloseConnections(alice.pk, Close.DISCONNECTED, detail, connection="a.2")
        ]
        entry = AuditEntry.objects.get()
        assert entry.actor == User.objects.get(is_staff=True)
        assert entry.actor_name == entry.actor.username
        assert (entry.action, entry.target) == ("disconnect", "alice in lobby")
        assert entry.detail == {"user": alice.pk, "room": room.pk, "connection": "a.2"}

    def test_what_nobody_was_told_is_not_noted(
        self, moderator: Client, room: Room, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bus, "tell_processes", lambda message: False)
        address = f"/admin/chat/room/{room.pk}/disconnect/{alice.pk}/a.1/"
        response = moderator.post(address, secure=True, follow=True)
        assert "could not be notified" in response.content.decode()
        assert not AuditEntry.objects.exists()

    def test_what_is_not_in_this_room_is_left_alone(
        self, moderator: Client, room: Room, alice: User, told: list[Any]
    ) -> None:
        elsewhere, other = RoomFactory(), UserFactory()
        for place, user, name in (
            (room, alice, "a.9"),
            (elsewhere, alice, "a.1"),
            (room, other, "a.1"),
        ):
            address = f"/admin/chat/room/{place.pk}/disconnect/{user.pk}/{name}/"
            for ask in (moderator.get, moderator.post):
                response = ask(address, secure=True, follow=True)
                assert "is already closed" in response.content.decode()
        assert (
            moderator.post(
                f"/admin/chat/room/0/disconnect/{alice.pk}/a.1/", secure=True
            ).status_code
            == 404
        )
        assert not told
        assert not AuditEntry.objects.exists()

    def test_a_page_elsewhere_cannot_do_it(self, room: Room, alice: User, told: list[Any]) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(UserFactory(staff=True))
        address = f"/admin/chat/room/{room.pk}/disconnect/{alice.pk}/a.1/"
        assert strict.post(address, secure=True).status_code == 403
        assert not told

    def test_who_may_only_look_disconnects_nobody(
        self, client: Client, room: Room, alice: User, told: list[Any]
    ) -> None:
        watcher = UserFactory(staff=True, join_moderators=False)
        watcher.user_permissions.add(Permission.objects.get(codename="view_room"))
        client.force_login(watcher)
        page = client.get(f"/admin/chat/room/{room.pk}/change/", secure=True).content.decode()
        assert rows(page) == ["Alice &lt;i&gt; 2"]
        address = f"/admin/chat/room/{room.pk}/disconnect/{alice.pk}/a.1/"
        for ask in (client.get, client.post):
            assert ask(address, secure=True).status_code == 403
        client.force_login(UserFactory())
        assert "/admin/login/" in client.post(address, secure=True)["Location"]
        assert not told
        assert not AuditEntry.objects.exists()

    def test_the_list_of_people_shows_when_and_whether_they_are_seen(
        self, client: Client, look: Look
    ) -> None:
        UserFactory(username="hidden", is_invisible=True, last_seen_at=timezone.now())
        assert [user.username for user in look("core/user/?is_invisible__exact=1").rows] == [
            "hidden"
        ]
        text = look("core/user/").text
        assert "column-last_seen_at" in text
        assert "column-is_invisible" in text

    def test_nobody_else_makes_a_person_invisible(self, client: Client) -> None:
        client.force_login(UserFactory(is_staff=True, is_superuser=True))
        person = UserFactory(username="person")
        form = {"username": "person", "display_name": "New", "email": "", "is_active": "on"}
        address = f"/admin/core/user/{person.pk}/change/"
        assert client.post(address, {**form, "is_invisible": "on"}, secure=True).status_code == 302
        person.refresh_from_db()
        assert (person.display_name, person.is_invisible) == ("New", False)


def hold(url: str, room: Room, user: User, *connections: str) -> None:
    """Give the user leases, as the servers' scripts do."""
    with redis.Redis.from_url(url) as client:
        client.zadd(
            presence_keys(str(room.pk))[1], {f"{user.pk}:{name}": 4e12 for name in connections}
        )


def rows(page: str) -> list[str]:
    (table,) = re.findall(r'<table class="online">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    found = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


# -- with sockets -----------------------------------------------------------------------------


@pytest.fixture
def site(chat: ChatServer, cast: Cast) -> Iterator[httpx.Client]:
    """The admin of the real server, as a moderator sees it."""
    moderator = UserFactory(staff=True)
    cookies = signed_in(chat, moderator)
    with httpx.Client(
        base_url=chat.url, cookies=cookies, timeout=PATIENCE, follow_redirects=True
    ) as site:
        yield site


def test_the_one_connection_ends_and_the_person_is_told(
    site: httpx.Client, chat: ChatServer, second: ChatServer, cast: Cast, enter: Any
) -> None:
    watcher = enter(chat, cast.room, cast.owner)
    stays = enter(chat, cast.room, cast.member)
    before = set(links(site, cast))
    goes = enter(second, cast.room, cast.member)  # on another process than the admin's
    (address,) = wait_until(lambda: set(links(site, cast)) - before, "the admin does not show it")
    page = site.get(address)
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text))
    answer = site.post(address, data={"csrfmiddlewaretoken": token})
    assert "Closing one connection of" in answer.text
    goes.until("room.closed", detail="A moderator disconnected you.")
    assert goes.close_code() == 4409
    assert stays.asks(type="ping")["type"] == "pong"
    seen = [frame["type"] for frame in watcher.meanwhile()]
    assert "presence.left" not in seen  # they have another one
    assert AuditEntry.objects.get(action="disconnect").target.startswith(cast.member.username)


def links(site: httpx.Client, cast: Cast) -> list[str]:
    """Where the member's connections are disconnected."""
    page = site.get(f"/admin/chat/room/{cast.room.pk}/change/").text
    return re.findall(rf'"(/admin/chat/room/\d+/disconnect/{cast.member.pk}/[^"]+)"', page)


def test_the_invisible_are_not_shown(
    site: httpx.Client, chat: ChatServer, cast: Cast, enter: Any
) -> None:
    User.objects.filter(pk=cast.member.pk).update(is_invisible=True)
    enter(chat, cast.room, cast.member)
    enter(chat, cast.room, cast.owner)
    page = site.get(f"/admin/chat/room/{cast.room.pk}/change/").text
    assert "Olga Owner" in page
    assert not links(site, cast)
