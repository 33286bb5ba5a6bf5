"""Rooms that are called the same show their addresses, wherever they stand in one list."""

import re
from typing import Any

import pytest
from django.test import Client

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from core.models import User

pytestmark = pytest.mark.django_db

ALIKE = [
    *("Garden", "GARDEN", "Ｇａｒｄｅｎ", "Gar\u00adden", " Garden \u200b", "Garden\ufe0f"),
    *("Gаrden", "GАRDEN"),  # with a Cyrillic letter
]


@pytest.fixture
def member(client: Client) -> User:
    user = UserFactory()
    client.force_login(user)
    return user


def addresses(client: Client, path: str) -> list[str]:
    """The addresses that are shown beside names."""
    page: Any = client.get(path, secure=True)
    assert page.status_code == 200
    return sorted(re.findall(r'<bdi class="address">([^<]+)</bdi>', page.content.decode()))


@pytest.mark.parametrize("other", ALIKE)
def test_names_that_look_the_same_are_told_apart(client: Client, member: User, other: str) -> None:
    for slug, title in (("garden", "Garden"), ("beds", other), ("kitchen", "Kitchen garden")):
        MembershipFactory(user=member, room=RoomFactory(slug=slug, title=title))
    for path in ("/chat/", "/chat/?part=list", "/chat/kitchen/"):
        assert addresses(client, path) == ["beds", "garden"], path


def test_a_room_s_own_page_says_which_it_is(client: Client, member: User) -> None:
    for slug in ("garden", "beds"):
        MembershipFactory(user=member, room=RoomFactory(slug=slug, title="Garden"))
    MembershipFactory(user=member, room=RoomFactory(slug="kitchen", title="Kitchen"))
    page = client.get("/chat/beds/", secure=True).content.decode()
    assert '<bdi id="room-address" class="address">beds</bdi>' in page
    assert re.search(r"<title>\s*Garden \(beds\) ", page)
    page = client.get("/chat/kitchen/", secure=True).content.decode()
    assert '<bdi id="room-address" class="address"></bdi>' in page
    assert re.search(r"<title>\s*Kitchen · ", page)


@pytest.mark.parametrize("other", ["Gardens", "Gaŕden", "Gar den", ""])
def test_other_names_need_no_address(client: Client, member: User, other: str) -> None:
    for slug, title in (("garden", "Garden"), ("beds", other)):
        MembershipFactory(user=member, room=RoomFactory(slug=slug, title=title))
    assert addresses(client, "/chat/") == addresses(client, "/chat/?part=list") == []


def test_people_of_one_name_are_told_apart_by_their_accounts(client: Client, member: User) -> None:
    for username in ("ann", "ann2"):
        other = UserFactory(username=username, display_name="Ann")
        RoomFactory(direct=True, direct_low=other, direct_high=member)
    for path in ("/chat/", "/chat/?part=list"):
        assert addresses(client, path) == ["@ann", "@ann2"]


def test_one_s_own_rooms_and_the_others_are_one_page(client: Client, member: User) -> None:
    MembershipFactory(user=member, room=RoomFactory(slug="mine", title="Garden"))
    RoomFactory(slug="theirs", title="garden")
    RoomFactory(slug="hidden", title="Garden", private=True)
    assert addresses(client, "/chat/") == ["mine", "theirs"]
    assert addresses(client, "/chat/?part=list") == []


def test_so_are_those_that_are_found_by_a_name(client: Client, member: User) -> None:
    for slug in ("one", "two"):
        RoomFactory(slug=slug, title="Garden")
    RoomFactory(slug="garden-plans")
    assert addresses(client, "/chat/?part=found&name=garden") == ["one", "two"]


def test_a_title_that_is_the_address_of_another_is_its_name_too(
    client: Client, member: User
) -> None:
    RoomFactory(slug="garden", title="")
    RoomFactory(slug="beds", title="Garden")
    assert addresses(client, "/chat/") == ["beds", "garden"]


def test_two_people_of_one_name_are_told_apart(client: Client, member: User) -> None:
    for _ in range(2):
        RoomFactory(direct=True, direct_low=member, direct_high=UserFactory(display_name="Bob"))
    assert len(addresses(client, "/chat/")) == 2


def test_whom_one_talks_with_carries_a_mark(client: Client, member: User) -> None:
    for slug, fields in (("a", {"is_guest": True}), ("b", {"is_staff": True}), ("c", {})):
        other = UserFactory(**fields)
        RoomFactory(slug=slug, direct=True, direct_low=member, direct_high=other)
    for path in ("/chat/", "/chat/?part=list"):
        page = client.get(path, secure=True).content.decode()
        assert sorted(re.findall('<span class="tag badge [a-z]+">([a-z]+)<', page)) == [
            "guest",
            "staff",
        ]
    head = client.get("/chat/a/", secure=True).content.decode().split("<h1>")[1].split("</h1>")[0]
    assert '<span class="tag badge guest">guest</span>' in head
