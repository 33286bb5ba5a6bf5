"""How many are online, on the lists of rooms; in a direct room, whether the other is."""

import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from django.utils import timezone

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.models import Room
from chat.online import pages
from chat.online.scopes import SITE
from chat.rooms import lists
from core.models import User
from tests.support.presence import presence_keys

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _guests(settings: Any) -> None:
    settings.CHAT_GUESTS = True


@pytest.fixture
def me(client: Client) -> User:
    me = UserFactory(display_name="Me")
    client.force_login(me)
    return me


@pytest.fixture
def be_in(clean_redis: str) -> Any:
    """Put users into a scope, as the servers' scripts do."""

    def be_in(scope: str, *users: User) -> None:
        with redis.Redis.from_url(clean_redis) as client:
            client.sadd(presence_keys(scope)[0], *(str(user.pk) for user in users))

    return be_in


def words(page: Any) -> list[str]:
    """What each room on the page says, as people read it."""
    text = page.content.decode()
    items = re.findall(r"<li\b[^>]*><a.*?</li>|<li data-room>.*?</li>", text, re.DOTALL)
    hidden = re.compile(r"<span[^>]* hidden>(?:<span.*?</span>|[^<])*</span>|<svg.*?</svg>", re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", hidden.sub("", item)).split()) for item in items]


def test_rooms_show_how_many_are_there(client: Client, me: User, be_in: Any) -> None:
    mine, quiet, beside = (RoomFactory(slug=slug, title="", topic="") for slug in "abc")
    for room in (mine, quiet):
        MembershipFactory(room=room, user=me)
    be_in(str(mine.pk), *UserFactory.create_batch(2))
    be_in(str(beside.pk), UserFactory())
    page = words(client.get("/chat/"))
    assert page == [
        "# a no messages yet 2 online",
        "# b no messages yet",
        "# c no messages yet 1 online",
    ]
    assert words(client.get("/chat/", {"part": "list"})) == ["# a , 2 online", "# b"]
    assert "# a , 2 online" in words(client.get("/chat/a/"))


def test_many_are_written_so_that_one_can_read_it(client: Client, me: User, be_in: Any) -> None:
    room = MembershipFactory(room=RoomFactory(slug="crowd", title=""), user=me).room
    be_in(str(room.pk), *(User(pk=pk) for pk in range(1, 1_235)))
    assert words(client.get("/chat/", {"part": "list"})) == ["# crowd , 1,234 online"]


class TestDirectRooms:
    @pytest.fixture
    def other(self, me: User) -> User:
        three_hours = timezone.now() - timedelta(hours=3, minutes=1)
        other = UserFactory(display_name="Oda", last_seen_at=three_hours)
        RoomFactory(direct=True, slug="d", topic="", direct_low=me, direct_high=other)
        return other

    def test_the_other_is_online_in_any_room(self, client: Client, other: User, be_in: Any) -> None:
        be_in(SITE, other)
        assert words(client.get("/chat/")) == ["@ Oda no messages yet online"]
        part = client.get("/chat/", {"part": "list", "current": "d"})
        assert words(part) == ["@ Oda , online"]
        for page in (part, client.get("/chat/d/")):
            assert header(page) == "online"

    def test_else_one_sees_when_they_were(self, client: Client, other: User, be_in: Any) -> None:
        be_in(SITE, UserFactory())
        assert words(client.get("/chat/")) == ["@ Oda no messages yet last seen 3 hours ago"]
        part = client.get("/chat/", {"part": "list", "current": "d"})
        assert words(part) == ["@ Oda , last seen 3 hours ago 3 h"]
        for page in (part, client.get("/chat/d/")):
            assert header(page) == "last seen 3 hours ago"

    def test_nobody_sees_when_the_invisible_were_there(
        self, client: Client, other: User, clean_redis: str
    ) -> None:
        User.objects.filter(pk=other.pk).update(is_invisible=True)
        assert words(client.get("/chat/")) == ["@ Oda no messages yet"]
        assert words(client.get("/chat/", {"part": "list"})) == ["@ Oda"]
        assert header(client.get("/chat/d/")) == ""

    def test_each_of_the_two_sees_the_other(self, other: User, be_in: Any) -> None:
        be_in(SITE, other)
        room = Room.objects.get(slug="d")
        (me,) = {room.direct_low, room.direct_high} - {other}
        for user, online in ((me, True), (other, False)):
            ((line,),) = pages.with_presence(lists.rooms_of(user))
            assert line.other_online is online
            assert line.other != user

    def test_other_rooms_have_nobody_in_their_header(self, client: Client, other: User) -> None:
        RoomFactory(slug="open")
        page = client.get("/chat/open/")
        assert "room-other" not in page.content.decode()
        part = client.get("/chat/", {"part": "list", "current": "open"})
        assert "room-other" not in part.content.decode()


def header(page: Any) -> str:
    (found,) = re.findall(r'<p id="room-other"[^>]*>(.*?)</p>', page.content.decode(), re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


class Counted:
    """Stands before Redis and counts what is asked of it."""

    def __init__(self, client: redis.Redis) -> None:
        self.trips: list[str] = []
        self._client = client

    def pipeline(self, **options: Any) -> Any:
        self.trips.append("pipeline")
        return self._client.pipeline(**options)

    def smismember(self, *arguments: Any) -> Any:
        self.trips.append("smismember")
        return self._client.smismember(*arguments)


def test_redis_is_asked_once_for_all_rooms_and_once_for_all_people(
    client: Client, me: User, clean_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in RoomFactory.create_batch(5):
        MembershipFactory(room=room, user=me)
    for _ in range(3):
        RoomFactory(direct=True, direct_low=me)
    RoomFactory.create_batch(4)
    with redis.Redis.from_url(clean_redis) as real:
        counted = Counted(real)
        monkeypatch.setattr(pages.reader, "_redis", lambda: counted)
        assert len(words(client.get("/chat/"))) == 12
    assert counted.trips == ["pipeline", "smismember"]


def test_without_redis_the_lists_come_without_numbers_and_wait_once(
    client: Client, me: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    class Away:
        def pipeline(self, **_: Any) -> Any:
            tries.append("pipeline")
            raise redis.ConnectionError

    RoomFactory(direct=True, direct_low=me, direct_high=UserFactory(display_name="Oda"))
    MembershipFactory(room=RoomFactory(slug="a", title=""), user=me)
    monkeypatch.setattr(pages.reader, "_redis", Away)
    assert sorted(words(client.get("/chat/", {"part": "list"}))) == ["# a", "@ Oda"]
    assert tries == ["pipeline"]
