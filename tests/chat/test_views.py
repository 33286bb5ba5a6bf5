"""The pages of the chat: which room, and the room."""

import re
from typing import Any
from urllib.robotparser import RobotFileParser

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.urls import resolve, reverse
from hypothesis import example, given
from hypothesis import strategies as st

from chat import views
from chat.factories import MessageFactory, RoomFactory
from chat.models import Membership, Message, Room, Sanction
from chat.models.slugs import validate_slug
from chat.rooms import entering, lists
from chat.rooms.slugs import slug_for
from core.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _guests(settings: Any, clean_redis: str) -> None:
    settings.CHAT_GUESTS = True


@pytest.fixture
def member(client: Client) -> User:
    user = User.objects.create_user("member")
    client.force_login(user)
    return user


def without_token(response: Any) -> str:
    return re.sub(r'value="\w{64}"', "", response.content.decode())


def test_the_front_door_leads_to_the_rooms(client: Client) -> None:
    assert client.get("/")["Location"] == "/chat/"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Lobby", "lobby"),
        ("  Öl & Gas  ", "öl-gas"),
        ("Tea_time -- today", "tea_time-today"),
        ("カフェ", "カフェ"),
        ("🎉🎉", ""),
        ("x" * 200, "x" * 80),
        ("हिन्दी", "हिन्दी"),
        ("हिन्द", "हिन्द"),
        ("ภาษา ไทย", "ภาษา-ไทย"),
        ("❤️ tea", "tea"),
        ("e!\u0301", "é"),
        ("\u0301", ""),
        ("İstanbul", "istanbul"),
        ("C++", "c"),  # the page says so
        *(("\u3164", ""), ("\u115f\uffa0", ""), ("\u2800", ""), ("te\u3164a", "tea")),
    ],
)
def test_a_name_becomes_an_address(name: str, slug: str) -> None:
    assert slug_for(name) == slug


@given(st.text(max_size=100))
@example("x" * 79 + "-" + "é" * 9)
@example("İ\u0307")
def test_an_address_is_its_own_address(name: str) -> None:
    slug = slug_for(name)
    assert slug_for(slug) == slug
    validate_slug(slug)
    assert not slug or resolve(f"/chat/{slug}/").kwargs in ({"slug": slug}, {})


def test_a_name_with_marks_is_a_room_of_its_own(client: Client, member: User) -> None:
    for slug in ("हिन्दी", "हिन्द"):
        assert client.get(f"/chat/{slug}/").status_code == 200
        Room.objects.get(slug=slug).full_clean()
    assert Room.objects.count() == 2


@pytest.mark.parametrize("slug", ["a b", "a.b", "❤️", "a\ufe0f", "a\u00a0b", "a\0"])
def test_nobody_gives_a_room_an_address_that_none_has(slug: str) -> None:
    with pytest.raises(ValidationError):
        validate_slug(slug)


def test_a_typed_name_leads_to_its_room(client: Client) -> None:
    response = client.get("/chat/", {"name": "Öl & Gas"})
    assert response["Location"] == reverse("room", args=["öl-gas"])
    assert "at least one letter" in client.get("/chat/", {"name": "!!"}).content.decode()


def test_where_direct_rooms_are_nobody_makes_a_room_nor_becomes_a_guest(client: Client) -> None:
    for slug in ("direct--1", "Private--1", "ｐrivate--1"):
        assert client.get(f"/chat/{slug}/").status_code == 404
    assert not Room.objects.exists()
    assert not User.objects.exists()


def test_who_is_removed_while_their_page_is_made_finds_no_room(
    client: Client, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = RoomFactory(private=True)
    membership = Membership.objects.create(room=room, user=member)
    find = entering.find

    def find_last(slug: str, user: Any) -> Room | None:
        found = find(slug, user)
        Membership.objects.filter(pk=membership.pk).delete()
        return found

    finds = iter([find, find_last])  # the page's own, and that of `enter`

    def find_next(slug: str, user: Any) -> Room | None:
        return next(finds)(slug, user)

    monkeypatch.setattr(entering, "find", find_next)
    assert client.get(f"/chat/{room.slug}/").status_code == 404


def test_an_open_room_comes_into_being_when_somebody_enters(client: Client, member: User) -> None:
    response = client.get("/chat/new-room/")
    assert response.status_code == 200
    room = Room.objects.get(slug="new-room")
    assert room.kind == Room.Kind.OPEN
    assert not room.memberships.exists()
    MessageFactory(room=room)
    client.get("/chat/new-room/")
    assert Membership.objects.get(room=room, user=member).role == "member"
    page = response.content.decode()
    for part in ("chat-log", "chat-message-input", "chat-message-submit"):
        assert f'id="{part}"' in page
    assert "<noscript><p" in page


def test_looking_at_the_list_makes_no_guest_and_no_room(client: Client) -> None:
    assert 'id="room-name-input"' in client.get("/chat/").content.decode()
    assert not User.objects.exists()
    assert not Room.objects.exists()


@pytest.mark.parametrize("slug", ["lobby", "new-room", "visibility"])
def test_asking_for_the_head_of_a_room_makes_no_guest_no_room_and_no_session(
    client: Client, slug: str
) -> None:
    Room.objects.create(slug="lobby")
    response = client.head(f"/chat/{slug}/")
    assert (response.status_code, response.content, response.cookies) == (200, b"", {})
    assert client.head("/chat/Lobby/")["Location"] == "/chat/lobby/"
    client.force_login(User.objects.create_user("member"))
    client.head(f"/chat/{slug}/")
    assert User.objects.count() == Room.objects.count() == 1
    assert not Membership.objects.exists()


def test_crawlers_are_asked_to_leave_rooms_and_forms_alone(client: Client) -> None:
    response = client.get("/robots.txt")
    assert response["Content-Type"] == "text/plain"
    rules = RobotFileParser()
    rules.parse(response.content.decode().splitlines())
    for name in ("rooms", "sign-in", "sign-up", "admin:index"):
        assert not rules.can_fetch("a crawler", reverse(name)), name


@pytest.mark.parametrize(
    ("typed", "address"),
    [("Lobby", "lobby"), ("a--b", "a-b"), ("_x_", "x"), ("ＬＯＢＢＹ", "lobby")],
)
def test_other_spellings_lead_to_the_one_room(client: Client, typed: str, address: str) -> None:
    assert client.get(f"/chat/{typed}/")["Location"] == f"/chat/{address}/"
    assert not Room.objects.exists()


def test_a_room_whose_address_has_capitals_is_found(client: Client, member: User) -> None:
    Room.objects.create(slug="Imported_Room")
    assert client.get("/chat/Imported_Room/").status_code == 200


@pytest.mark.parametrize("slug", ["a b", "a.b", "a%00b", "x" * 81, "---"])
def test_what_cannot_be_an_address_is_not_found(client: Client, member: User, slug: str) -> None:
    assert client.get(f"/chat/{slug}/").status_code in {302, 400, 404}
    assert not Room.objects.exists()


def test_a_visitor_becomes_a_guest_and_stays_the_same(client: Client) -> None:
    client.get("/chat/lobby/")
    client.get("/chat/garden/")
    guest = User.objects.get()
    assert guest.is_guest
    assert not guest.has_usable_password()
    assert client.get("/chat/lobby/").context["user"] == guest


def test_without_guests_a_visitor_is_sent_to_sign_in(client: Client, settings: Any) -> None:
    settings.CHAT_GUESTS = False
    for path in ("/chat/", "/chat/lobby/"):
        assert client.get(path)["Location"] == f"/accounts/sign-in/?next={path}"
    assert not User.objects.exists()
    assert not Room.objects.exists()


def test_guests_of_one_address_are_limited(client: Client, settings: Any) -> None:
    settings.CHAT_GUESTS_PER_ADDRESS = "1/minute"
    Room.objects.create(slug="lobby")
    assert client.get("/chat/lobby/").status_code == 200
    response = Client().get("/chat/lobby/")
    assert response.status_code == 429
    assert "Too many guests" in response.content.decode()
    assert Client().get("/chat/lobby/", REMOTE_ADDR="192.0.2.7").status_code == 200


def test_new_rooms_of_one_address_are_limited(client: Client, member: User, settings: Any) -> None:
    settings.CHAT_NEW_ROOMS_PER_ADDRESS = "2/minute"
    assert [client.get(f"/chat/room-{n}/").status_code for n in range(3)] == [200, 200, 429]
    assert Room.objects.count() == 2
    assert client.get("/chat/room-0/").status_code == 200


class TestWhoMayEnter:
    def test_a_private_room_looks_like_none_to_an_outsider(
        self, client: Client, member: User
    ) -> None:
        room = RoomFactory(private=True, title="The secret board")
        insider = User.objects.create_user("insider")
        Membership.objects.create(room=room, user=insider)
        refused = client.get(f"/chat/{room.slug}/")
        assert refused.status_code == 404
        assert "Room not found" in refused.content.decode()
        # tests/chat/rooms/test_addresses.py compares it with what absent ones get
        assert "secret" not in client.get("/chat/").content.decode()
        client.force_login(insider)  # so that the silence above means something
        assert client.get(f"/chat/{room.slug}/").status_code == 200
        assert "secret" in client.get("/chat/").content.decode()

    def test_it_makes_no_guest_of_a_visitor(self, client: Client) -> None:
        room = RoomFactory(private=True)
        assert client.get(f"/chat/{room.slug}/").status_code == 404
        assert not User.objects.exists()

    def test_the_banned(self, client: Client, member: User) -> None:
        room = Room.objects.create(slug="lobby", title="The lobby")
        Membership.objects.create(room=room, user=member)
        assert client.get("/chat/lobby/").status_code == 200
        Sanction.objects.create(user=member, room=room, kind="ban")
        assert client.get("/chat/lobby/").status_code == 404
        assert "The lobby" not in client.get("/chat/").content.decode()

    def test_the_banned_everywhere_make_no_rooms(self, client: Client, member: User) -> None:
        Sanction.objects.create(user=member, kind="ban")
        assert client.get("/chat/new/").status_code == 404
        assert not Room.objects.exists()

    def test_a_direct_room_bears_the_other_name(self, client: Client, member: User) -> None:
        other = User.objects.create_user("other", display_name="The Other")
        low, high = sorted((member, other), key=lambda user: user.pk)
        room = Room.objects.create(
            slug="d-8f2k", kind=Room.Kind.DIRECT, direct_low=low, direct_high=high
        )
        for user in (member, other):
            Membership.objects.create(room=room, user=user)
        assert 'data-name="The Other"' in client.get("/chat/d-8f2k/").content.decode()


def test_the_list_shows_unread_rooms_and_the_liveliest_first(
    client: Client, member: User, django_assert_max_num_queries: Any
) -> None:
    for slug in ("sleepy", "lively"):
        Membership.objects.create(room=Room.objects.create(slug=slug), user=member)
    lively = Room.objects.get(slug="lively")
    seq, pos = lively.reserve(messages=1)
    Message.objects.create(
        room=lively, author=User.objects.create_user("other"), seq=seq, pos=pos, body="hello"
    )
    Room.objects.create(slug="beside", topic="Not <b>mine</b>")
    with django_assert_max_num_queries(8):
        page = client.get("/chat/").content.decode()
    assert page.index("lively") < page.index("sleepy") < page.index("beside")
    assert page.count("unread-dot") == 1
    assert "Not &lt;b&gt;mine&lt;/b&gt;" in page
    part = client.get("/chat/", {"part": "list", "current": "sleepy"}).content.decode()
    assert part.index("lively") < part.index("sleepy")
    assert 'aria-current="page"' in part
    assert "beside" not in part


class TestMoreRoomsThanAreListed:
    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lists, "LISTED_MAX", 2)

    def test_the_page_says_how_many_more_there_are(self, client: Client, member: User) -> None:
        rooms = [Room.objects.create(slug=f"room-{n}") for n in range(2)]
        for room in rooms:
            Membership.objects.create(room=room, user=member)
        assert "more; type" not in client.get("/chat/").content.decode()
        for n in range(5):
            Room.objects.create(slug=f"beside-{n}")
        page = client.get("/chat/").content.decode()
        assert page.count("more. Type a name to find them") == 1
        assert "and 3 more" in page
        for n in range(2, 5):
            Membership.objects.create(room=Room.objects.create(slug=f"room-{n}"), user=member)
        assert client.get("/chat/").content.decode().count("and 3 more") == 2


class TestFinding:
    def found(self, client: Client, name: str) -> list[str]:
        page = client.get("/chat/", {"part": "found", "name": name}).content.decode()
        return re.findall(r'href="/chat/([^"]+)/"', page)

    def test_the_room_of_the_address_comes_first(self, client: Client) -> None:
        for slug, title in (("a-tea", ""), ("tea", ""), ("garden", "Tea & roses"), ("milk", "")):
            Room.objects.create(slug=slug, title=title)
        Room.objects.create(slug="old-tea", is_archived=True)
        assert self.found(client, " Tea ") == ["tea", "a-tea", "garden"]
        assert self.found(client, "old tea") == ["old-tea"]
        assert self.found(client, "tea &") == ["tea", "a-tea", "garden"]

    def test_only_members_find_a_private_room_and_nobody_a_direct_one(
        self, client: Client, member: User
    ) -> None:
        room = Room.objects.create(slug="board", kind="private", title="The board")
        low, high = sorted((member, User.objects.create_user("x")), key=lambda user: user.pk)
        direct = Room.objects.create(
            slug="direct--board", kind="direct", direct_low=low, direct_high=high
        )
        Membership.objects.create(room=direct, user=member)
        assert self.found(client, "board") == []
        Membership.objects.create(room=room, user=member)
        assert self.found(client, "board") == [room.slug]

    def test_one_address_looks_up_so_many_names(
        self, client: Client, member: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(views, "LOOK_UPS", "2/minute")
        asked = {"part": "found", "name": "tea"}
        address = {"REMOTE_ADDR": "192.0.2.77"}  # nobody else's here
        answers = [client.get("/chat/", asked, **address).status_code for _ in range(3)]
        assert answers == [200, 200, 429]

    @pytest.mark.parametrize("name", ["", "!!", "a\0b", "x" * 500, "%", "_"])
    def test_nonsense_finds_nothing(self, client: Client, name: str) -> None:
        Room.objects.create(slug="lobby")
        assert self.found(client, name) == []

    def test_asking_makes_no_guest_and_no_room(self, client: Client) -> None:
        assert self.found(client, "tea") == []
        assert not User.objects.exists()
        assert not Room.objects.exists()


def test_pages_are_not_kept_by_caches_and_run_only_our_scripts(
    client: Client, member: User
) -> None:
    for path in ("/chat/", "/chat/lobby/"):
        response = client.get(path)
        assert "no-store" in response["Cache-Control"]
        assert "default-src 'self'" in response["Content-Security-Policy"]
        page = response.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert page.count("<script") == page.count('<script type="module" src=')


def test_hashed_files_import_each_other(settings: Any, tmp_path: Any) -> None:
    """In production the browser gets modules whose imports name the hashed files."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "core.web.static.HashedStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    modules = [*(tmp_path / "chat" / "js").rglob("*.????????????.js")]
    assert len(modules) > 20
    for module in modules:
        for line in module.read_text().splitlines():
            if line.startswith(("import ", "} from")):
                target = line.split('"')[1]
                assert target.count(".") >= 2, f"{module.name}: {line}"
                assert (module.parent / target).resolve().is_file(), f"{module.name}: {line}"
