"""Invisible mode: who chooses it is not seen online, typing or last seen, from that moment."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.live import bus
from chat.models import Room
from core.models import User
from presence.store import source_of
from tests.support import servers
from tests.support.presence import presence_keys
from tests.support.servers import ChatServer
from tests.support.sockets import (
    PATIENCE,
    UNLIMITED,
    Cast,
    cast_of,
    person_of,
    signed_in,
    wait_until,
)

# Longer than any test waits: who is gone before it did not leave by closing a connection.
GRACE = {**UNLIMITED, "PRESENCE_GRACE_SECONDS": "40"}


class TestThePage:
    pytestmark = pytest.mark.django_db

    @pytest.fixture(autouse=True)
    def told(self, monkeypatch: pytest.MonkeyPatch, settings: Any, clean_redis: str) -> list[Any]:
        """What the processes were told."""
        settings.CHAT_GUESTS = True
        told: list[Any] = []
        monkeypatch.setattr(bus, "tell_processes", lambda message: told.append(message) or True)
        return told

    @pytest.fixture
    def person(self, client: Browser) -> User:
        person = UserFactory()
        client.force_login(person)
        return person

    @pytest.mark.parametrize("guest", [False, True])
    def test_it_is_kept_and_all_processes_are_told(
        self, client: Browser, told: list[Any], guest: bool
    ) -> None:
        person = UserFactory(guest=guest)
        client.force_login(person)
        for value, invisible in (("on", True), ("off", False)):
            response = client.post("/chat/visibility/", {"invisible": value})
            assert response["Location"] == "/chat/"
            person.refresh_from_db()
            assert person.is_invisible is invisible
            assert told.pop() == bus.UserChanged(person.pk, invisible)

    def test_all_rooms_that_one_is_gone_from_are_told_of_at_once(
        self, client: Browser, person: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each telling may take as long as Redis does, while the page waits."""
        rooms = [one.room for one in MembershipFactory.create_batch(3, user=person)]
        rooms.append(RoomFactory(vacant_since=timezone.now()))  # of which nobody is a member
        with redis.Redis.from_url(settings.REDIS_URL) as there:
            for scope in ("site", *(room.pk for room in rooms)):
                member = f"{person.pk}:tab"
                there.eval(source_of("hold"), 4, *presence_keys(str(scope)), 60_000, member)
        bundles: list[Any] = []
        monkeypatch.setattr(bus, "tell_processes", lambda *news: bundles.append(news))
        client.post("/chat/visibility/", {"invisible": "on"})
        changed, news = bundles
        assert changed == (bus.UserChanged(person.pk, invisible=True),)
        assert {one.room for one in news} == {room.pk for room in rooms}
        assert {one.changes[0].kind for one in news} == {"left"}
        client.post("/chat/visibility/", {"invisible": "on"})
        assert bundles[2:] == [changed], "who was nowhere has left nowhere"

    def test_a_script_is_answered_in_json(self, client: Browser, person: User) -> None:
        headers = {"Accept": "application/json"}
        answer = client.post("/chat/visibility/", {"invisible": "on"}, headers=headers)
        assert answer.json() == {"invisible": True, "told": True}

    def test_a_page_elsewhere_cannot_choose_for_you(self, person: User, told: list[Any]) -> None:
        strict = Browser(enforce_csrf_checks=True)
        strict.force_login(person)
        assert strict.post("/chat/visibility/", {"invisible": "on"}).status_code == 403
        person.refresh_from_db()
        assert not person.is_invisible
        assert not told

    def test_looking_changes_nothing_and_a_room_may_have_that_name(
        self, client: Browser, person: User, told: list[Any]
    ) -> None:
        Room.objects.create(slug="visibility", title="Foggy days")
        response = client.get("/chat/visibility/?invisible=on")
        assert "Foggy days" in response.content.decode()
        person.refresh_from_db()
        assert not person.is_invisible
        assert not told

    def test_whoever_is_nobody_is_sent_to_sign_in(self, client: Browser, told: list[Any]) -> None:
        response = client.post("/chat/visibility/", {"invisible": "on"})
        assert response["Location"] == "/accounts/sign-in/?next=/chat/"
        assert not told
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        ("wanted", "got"),
        [("/chat/lobby/", "/chat/lobby/"), ("https://example.org/", "/chat/"), ("", "/chat/")],
    )
    def test_it_leads_back_to_where_one_was(
        self, client: Browser, person: User, wanted: str, got: str
    ) -> None:
        response = client.post("/chat/visibility/", {"invisible": "on", "next": wanted})
        assert response["Location"] == got

    def test_where_the_processes_hear_nothing_the_person_learns_it(
        self, client: Browser, person: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bus, "tell_processes", lambda message: False)
        page = client.post("/chat/visibility/", {"invisible": "on"}, follow=True)
        assert "Reload your open rooms" in page.content.decode()

    def test_not_too_often(self, client: Browser, person: User, told: list[Any]) -> None:
        monkey = [client.post("/chat/visibility/").status_code for _ in range(21)]
        assert monkey == [302] * 20 + [429]
        assert len(told) == 20

    @pytest.mark.parametrize("invisible", [False, True])
    def test_pages_show_it_and_offer_the_other(
        self, client: Browser, person: User, invisible: bool
    ) -> None:
        User.objects.update(is_invisible=invisible)
        checked, value = ("true", "off") if invisible else ("false", "on")
        for path in ("/chat/", "/chat/lobby/"):
            page = client.get(path).content.decode()
            assert f'value="{value}" aria-checked="{checked}"' in page
        part = client.get("/chat/", {"part": "list"}).content.decode()
        assert ("data-invisible" in part) is invisible


@pytest.mark.django_db
def test_without_redis_it_says_that_nobody_was_told(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def __init__(self, alias: str) -> None:
            pass

        async def group_send(self, *_: object) -> None:
            raise OSError

    monkeypatch.setattr(bus, "get_channel_layer", Away)
    assert bus.tell_processes(bus.UserChanged(1)) is False


# -- with sockets -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(chat_database: str, template_database: str) -> Iterator[tuple[ChatServer, ChatServer]]:
    """Two processes of one chat."""
    with ExitStack() as stack:
        env = {**GRACE, "DATABASE_URL": chat_database}
        one = stack.enter_context(servers.chat_server(template_database, env=env))
        other = stack.enter_context(servers.chat_server(template_database, env=GRACE, beside=one))
        yield one, other


def choose(server: ChatServer, user: User, invisible: bool) -> None:
    """What the form does, by the server's own page."""
    cookies = signed_in(server, user)
    with httpx.Client(base_url=server.url, cookies=cookies, timeout=PATIENCE) as http:
        page = http.get("/chat/").text
        (form,) = re.findall(r'<form method="post" action="/chat/visibility/">.*?</form>', page)
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        fields = {"csrfmiddlewaretoken": token, "invisible": "on" if invisible else "off"}
        headers = {"Accept": "application/json"}
        answer = http.post("/chat/visibility/", data=fields, headers=headers)
        assert answer.json() == {"invisible": invisible, "told": True}


Pair = tuple[ChatServer, ChatServer]


def test_others_see_one_leave_and_come_on_every_process(pair: Pair, cast: Cast, enter: Any) -> None:
    near, far = pair
    watchers = [enter(server, cast.room, cast.owner) for server in pair]
    connections = [enter(server, cast.room, cast.member) for server in pair]
    me = person_of(cast.member)
    for watcher in watchers:
        watcher.until("presence.joined", user=me)
    choose(far, cast.member, invisible=True)
    for watcher in watchers:
        watcher.until("presence.left", user=me)
    for connection in connections:  # nobody was thrown out
        assert connection.asks(type="ping")["type"] == "pong"
        assert connection.asks(type="chat.history")["you"]["invisible"] is True
    state = watchers[0].asks(type="presence.get")
    assert [user["name"] for user in state["users"]] == ["Olga Owner"]
    choose(near, cast.member, invisible=False)
    for watcher in watchers:
        watcher.until("presence.joined", user=me)
    for connection in connections:
        assert "invisible" not in connection.asks(type="chat.history")["you"]


def test_whoever_comes_invisible_is_told_so_and_not_seen(
    pair: Pair, cast: Cast, enter: Any
) -> None:
    server, _ = pair
    watcher = enter(server, cast.room, cast.owner)
    User.objects.filter(pk=cast.member.pk).update(is_invisible=True)
    hidden = enter(server, cast.room, cast.member)
    history = next(frame for frame in hidden.frames if frame["type"] == "chat.history")
    assert history["you"]["invisible"] is True
    names = [user["name"] for user in hidden.asks(type="presence.get")["users"]]
    assert names == ["Olga Owner"]
    hidden.send(type="chat.typing")
    hidden.say("I speak all the same")  # is seen by all, and comes after the typing
    watcher.until("chat.message", message="I speak all the same")
    seen = {frame["type"] for frame in watcher.frames + watcher.meanwhile()}
    assert not seen & {"chat.typing", "presence.joined"}


def test_who_is_typing_is_shown_again_to_others_once_visible(
    pair: Pair, cast: Cast, enter: Any
) -> None:
    server, _ = pair
    watcher, mine = (enter(server, cast.room, user) for user in (cast.owner, cast.member))
    choose(server, cast.member, invisible=True)
    watcher.until("presence.left")
    choose(server, cast.member, invisible=False)
    watcher.until("presence.joined")
    mine.send(type="chat.typing")
    watcher.until("chat.typing", user={"id": cast.member.pk, "name": "Mia Member"})


def test_a_page_that_was_just_closed_does_not_keep_one_in_sight(
    pair: Pair, cast: Cast, enter: Any
) -> None:
    server, other = pair
    watcher = enter(server, cast.room, cast.owner)
    closed = enter(other, cast.room, cast.member)
    watcher.until("presence.joined")
    stays = enter(server, cast.room, cast.member)
    closed.close()
    stays.say("still here")
    choose(server, cast.member, invisible=True)
    watcher.until("presence.left")


def test_a_process_that_was_killed_does_not_keep_one_in_sight(
    pair: Pair, cast: Cast, enter: Any, template_database: str
) -> None:
    """Its leases go on for longer than any test waits; nobody else knows of them."""
    server, other = pair
    watchers = [enter(one, cast.room, cast.owner) for one in pair]
    unwatched = cast_of().room
    with servers.chat_server(template_database, env=GRACE, beside=server) as third:
        enter(third, cast.room, cast.member)
        enter(third, unwatched, cast.member)
        for watcher in watchers:
            watcher.until("presence.joined", user=person_of(cast.member))
        third.kill()
    choose(other, cast.member, invisible=True)
    lefts = [watcher.until("presence.left") for watcher in watchers]
    assert lefts[0] == lefts[1]
    with redis.Redis.from_url(server.env["REDIS_URL"]) as client:
        keys = [presence_keys(str(scope))[0] for scope in (cast.room.pk, unwatched.pk, "site")]
        # The room that nobody watches, and the site, follow in their turn.
        wait_until(
            lambda: not any(client.sismember(key, cast.member.pk) for key in keys),
            "whose process was killed is kept in sight",
        )
