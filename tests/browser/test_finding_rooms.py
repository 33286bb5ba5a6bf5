"""The page of rooms, where there are more than it lists."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.servers import ChatServer

CROWD = """
from chat.models import Room
Room.objects.bulk_create(Room(slug=f"crowd-{n:03}") for n in range(250))
Room.objects.create(slug="zz-last", title="The last garden")
Room.objects.create(slug="zz-closed", is_archived=True)
Room.objects.create(slug="", kind="private", title="zz-secret")
"""
NAMESAKES = """
from chat.models import Room
for slug in ("plain-one", "plain-two"):
    Room.objects.create(slug=slug, title="A plain and rather long name of a room")
"""
NONE = "No room has that name. Press Enter to create /chat/{}/."


@pytest.fixture(scope="module")
def crowded(server: ChatServer) -> ChatServer:
    server.manage("shell", "--no-imports", "-c", CROWD)
    return server


@pytest.fixture
def rooms(crowded: ChatServer, page: Page) -> Page:
    page.goto("/chat/")
    return page


def test_a_list_that_is_cut_says_so(rooms: Page) -> None:
    expect(rooms.locator("#lists")).to_contain_text("more. Type a name to find them")
    expect(rooms.locator("#lists").get_by_text("crowd-249")).to_have_count(0)


@pytest.mark.parametrize("name", ["zz-last", "ZZ last", "last gard"])
def test_a_room_that_is_not_listed_is_found_as_one_types(rooms: Page, name: str) -> None:
    rooms.fill("#room-name-input", name)
    found = rooms.locator("#found [data-room]").locator("visible=true")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("The last garden")
    expect(rooms.locator("#room-name-help")).not_to_contain_text("No room")
    found.get_by_role("link").click()
    rooms.wait_for_url("**/chat/zz-last/")


def test_nobody_claims_that_a_room_is_not_there_before_the_server_says_so(rooms: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    rooms.route("**/chat/?part=found*", hold)
    with rooms.expect_request("**/chat/?part=found*"):
        rooms.fill("#room-name-input", "zz-last")
    expect(rooms.locator("#lists [data-room]").locator("visible=true")).to_have_count(0)
    expect(rooms.locator("#room-name-help")).not_to_contain_text("No room")
    held[0].continue_()
    expect(rooms.locator("#found")).to_contain_text("The last garden")


@pytest.mark.parametrize(
    ("name", "slug"), [("nowhere at all", "nowhere-at-all"), ("zz-secret",) * 2]
)
def test_what_is_not_there_and_what_is_not_for_somebody_look_alike(
    rooms: Page, name: str, slug: str
) -> None:
    rooms.fill("#room-name-input", name)
    expect(rooms.locator("#room-name-help")).to_have_text(NONE.format(slug))
    expect(rooms.locator("#found")).to_be_hidden()


def test_the_room_of_an_address_counts_though_it_is_archived(rooms: Page) -> None:
    rooms.fill("#room-name-input", "zz-closed")
    expect(rooms.locator("#found")).to_contain_text("zz-closed")


def test_what_is_listed_is_not_shown_twice(rooms: Page) -> None:
    with rooms.expect_response("**/chat/?part=found*"):
        rooms.fill("#room-name-input", "crowd-00")
    expect(rooms.locator("#lists [data-room]").locator("visible=true")).to_have_count(10)
    expect(rooms.locator("#found")).to_be_hidden()
    rooms.fill("#room-name-input", "")
    expect(rooms.locator("#lists [data-room]").locator("visible=true")).not_to_have_count(10)


def test_rooms_of_one_name_show_their_addresses(crowded: ChatServer, page: Page) -> None:
    crowded.manage("shell", "--no-imports", "-c", NAMESAKES)
    page.goto("/chat/")
    page.fill("#room-name-input", "plain")
    shown = page.locator("[data-room]").locator("visible=true").locator(".address")
    expect(shown).to_have_text(["plain-one", "plain-two"])
    page.goto("/chat/plain-one/")
    page.goto("/chat/plain-two/")
    beside = page.locator("room-list .address")
    expect(beside).to_have_count(2)
    for one in beside.all():
        expect(one).to_be_visible()
        box = one.bounding_box()
        assert box is not None
        assert box["width"] > 20, "a long name leaves it no place"
