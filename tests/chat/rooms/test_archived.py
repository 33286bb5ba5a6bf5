"""Whoever sees an archived room's name sees that it is archived."""

import re

import pytest
from django.test import Client

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import Room
from core.models import User

pytestmark = pytest.mark.django_db

TAG = '<span class="tag">archived</span>'


@pytest.fixture
def person(client: Client) -> User:
    user = UserFactory()
    client.force_login(user)
    return user


def listed(client: Client, query: str) -> dict[str, bool]:
    """The addresses of the rooms on a page, in order, and whether each is marked."""
    page = client.get(f"/chat/?{query}").content.decode()
    items = re.findall(r'<li.*?href="/chat/([^"/]+)/".*?</li>', page, flags=re.S)
    marks = [TAG in item for item in re.findall(r"<li.*?</li>", page, flags=re.S)]
    return dict(zip(items, marks, strict=True))


@pytest.mark.parametrize("query", ["", "part=list&current=gone"])
def test_one_s_own_are_listed_last_and_marked(client: Client, person: User, query: str) -> None:
    for slug, archived in (("gone", True), ("here", False), ("quiet", False)):
        room = RoomFactory(slug=slug, title="", is_archived=archived)
        MembershipFactory(room=room, user=person)
        if slug != "quiet":
            MessageFactory(room=room)
    RoomFactory(slug="others", archived=True)
    assert list(listed(client, query).items()) == [
        ("here", False),
        ("quiet", False),
        ("gone", True),
    ]


def test_members_find_one_by_a_part_of_its_name_and_others_by_the_whole(
    client: Client, person: User
) -> None:
    for slug in ("old-tea", "tea-old", "tea-new"):
        RoomFactory(slug=slug, title="", is_archived="old" in slug)
    MembershipFactory(room=Room.objects.get(slug="old-tea"), user=person)
    assert listed(client, "part=found&name=tea") == {"tea-new": False, "old-tea": True}
    assert listed(client, "part=found&name=tea+old") == {"tea-old": True}
    assert listed(Client(), "part=found&name=tea") == {"tea-new": False}


@pytest.mark.parametrize("archived", [True, False])
def test_the_room_s_own_head_says_it(client: Client, person: User, archived: bool) -> None:
    MessageFactory(room=RoomFactory(slug="tea", is_archived=archived))
    page = client.get("/chat/tea/").content.decode()
    hidden = "" if archived else " hidden"
    assert f'<span id="room-archived" class="tag"{hidden}>archived</span>' in page


def test_the_admin_says_it_in_lists_pickers_and_what_is_chosen(client: Client) -> None:
    client.force_login(UserFactory(staff=True))
    named = RoomFactory(slug="tea", title="Tea & roses", archived=True)
    plain = RoomFactory(slug="milk", title="", archived=True)
    open_one = RoomFactory(slug="bread", title="Bread")
    assert [str(room) for room in (named, plain, open_one)] == [
        "Tea & roses (tea, archived)",
        "milk (archived)",
        "Bread (bread)",
    ]
    rooms = client.get("/admin/chat/room/", secure=True).content.decode()
    assert rooms.count('<span class="mark">archived</span>') == 2
    picker = "/admin/autocomplete/?app_label=chat&model_name=membership&field_name=room&term={}"
    found = client.get(picker.format("tea"), secure=True).json()["results"]
    assert [each["text"] for each in found] == ["Tea & roses (tea, archived)"]
    member = MembershipFactory(room=plain)
    for path in ("membership/", f"membership/?room={plain.pk}", f"membership/{member.pk}/change/"):
        page = client.get(f"/admin/chat/{path}", secure=True).content.decode()
        assert "milk (archived)" in page, path
