"""Everybody can use every page: axe finds nothing on it, in either theme, by any of its rules."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.browser.acting import enter, hide, new_room, say, sign_in, stored
from tests.browser.conftest import NewContext
from tests.browser.test_admin import MAKE_BOSS, links_of, signed_in
from tests.browser.test_looks import DESK, LONG, PHONE, fill
from tests.support.servers import ChatServer

# The dark theme has other colours, and nothing else.
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
THEMES = {"light": None, "dark": OF_COLOURS}
LISTED = """
from chat.models import Membership, Message, Room
from chat.factories import MembershipFactory, MessageFactory, RoomFactory
from core.models import User
alice = User.objects.get(username="alice")
for archived in (False, True):
    for title in ("Namesake", "Namesake"):
        room = RoomFactory(title=title, topic="Of two rooms", is_archived=archived)
        MembershipFactory(room=room, user=alice)
        MessageFactory(room=room)
"""
# What people see where something went wrong; the server shows most of them in DEBUG otherwise.
PROBLEMS = """
import json
from pathlib import Path
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory
request = RequestFactory().get("/")
request.user = AnonymousUser()
names = [path.name for path in Path("core/templates").glob("[45]*.html")]
names.append("chat/no_room.html")
print(json.dumps({name: render_to_string(name, {"detail": "Wait."}, request) for name in names}))
"""
# Colours that are on their way are neither theme's. (What turns for ever is no change of colour.)
COLOURED = """() => Promise.allSettled(document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().endTime < Infinity)
    .map((one) => one.finished))"""


@pytest.fixture(scope="module")
def filled(server: ChatServer) -> ChatServer:
    """The server, with a row in every list, and a superuser."""
    server.manage("shell", "--verbosity=0", "--command", MAKE_BOSS)
    server.manage("shell", "--verbosity=0", "--command", LISTED)
    return server


def flaws(page: Page) -> list[Any]:
    """What axe finds, as it is in both themes."""
    found = []
    for scheme, options in THEMES.items():
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_load_state()  # with its style sheets: else links are dark on dark
        page.evaluate(COLOURED)
        for rule in Axe().run(page, options=options).response["violations"]:
            where = [(node["target"], node["html"][:200]) for node in rule["nodes"]]
            found.append((urlsplit(page.url).path, scheme, rule["id"], rule["impact"], where))
    return found


# Axe takes a second of the processor for a page.
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_room_with_something_of_everything(
    new_context: NewContext, filled: ChatServer, size: Any
) -> None:
    """An empty room, a full one, its menu, and its drawers: up to five looks."""
    page = sign_in(new_context(**size, reduced_motion="reduce"), "alice", new_room())
    found = flaws(page)  # empty
    fill(page)
    found += flaws(page)
    stored(page, LONG[:20]).hover()
    page.locator('message-menu [data-do="react"]').click()
    found += flaws(page)
    if size is PHONE:
        for drawer in ("Rooms", "Online"):
            page.get_by_role("button", name=drawer).first.click()
            found += flaws(page)
            page.keyboard.press("Escape")
    assert found == [], json.dumps(found, indent=1)


def test_a_room_that_is_archived_has_news_or_lost_its_server(
    new_context: NewContext, filled: ChatServer
) -> None:
    """Three looks; that there is no network a page believes only after some seconds."""
    room, context = new_room(), new_context(**DESK, reduced_motion="reduce")
    page, other = sign_in(context, "alice", room), enter(new_context(), room)
    hide(page, True)
    say(other, "news")
    expect(page.locator(".new-row")).to_have_count(1)
    found = flaws(page)
    archive = f"r = Room.objects.get(slug='{room}'); r.is_archived = True; r.save()"
    filled.manage("shell", "--no-imports", "-c", f"from chat.models import Room; {archive}")
    expect(page.locator("#room-archived")).to_be_visible()
    found += flaws(page)
    context.set_offline(True)
    expect(page.locator("connection-state")).to_contain_text("offline", timeout=20_000)
    found += flaws(page)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_lists_of_rooms(new_context: NewContext, filled: ChatServer, size: Any) -> None:
    """Three looks."""
    page = sign_in(new_context(**size), "alice", new_room())
    page.goto("/chat/")
    expect(page.locator(".tag").first).to_be_visible()
    expect(page.locator(".address").first).to_be_visible()
    found = flaws(page)
    page.fill("#room-name-input", "another name")
    expect(page.locator("#room-name-help")).to_contain_text("No room has that name")
    found += flaws(page)
    page.goto("/chat/?name=!!")
    expect(page.get_by_role("alert")).to_be_visible()
    found += flaws(page)
    assert found == [], json.dumps(found, indent=1)


def test_the_pages_of_visitors(new_context: NewContext) -> None:
    """Five looks."""
    page = new_context(**DESK).new_page()
    page.goto("/accounts/sign-up/")
    found = flaws(page)
    page.get_by_role("button", name="Sign up").click()
    found += flaws(page)
    page.goto("/accounts/sign-in/")
    found += flaws(page)
    page.fill("#id_username", "nobody")
    page.fill("#id_password", "wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += flaws(page)
    page = enter(page.context, new_room())
    found += flaws(page)
    assert found == [], json.dumps(found, indent=1)


def test_the_pages_that_say_what_went_wrong(new_context: NewContext, server: ChatServer) -> None:
    """Each of them, at an address of this site's."""
    pages = json.loads(server.manage("shell", "--verbosity=0", "--command", PROBLEMS))
    assert {"403.html", "404.html", "429.html", "503.html", "chat/no_room.html"} <= pages.keys()
    page = new_context(**DESK).new_page()

    def answer(route: Route) -> None:
        name = urlsplit(route.request.url).path[1:]
        route.fulfill(body=pages[name], content_type="text/html")

    page.route("**/*.html", answer)
    found: list[Any] = []
    for name in pages:
        page.goto(f"/{name}")
        expect(page.get_by_role("heading")).to_be_visible()
        found += flaws(page)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.long
def test_every_page_of_the_admin(new_context: NewContext, filled: ChatServer) -> None:
    """Walks from the first page over lists, forms, histories and deletions: some 35 pages."""
    page = signed_in(new_context(**DESK), "boss")
    waiting, seen, found = ["/admin/"], {"/admin/"}, []
    while waiting:
        page.goto(waiting.pop(0))
        found += flaws(page)
        for link in links_of(page):
            path = urlsplit(link).path
            kind = re.sub(r"\d+", "N", path)
            if kind not in seen and not path.endswith(("/logout/", "/jsi18n/")):
                seen.add(kind)
                waiting.append(path)
    assert found == [], json.dumps(found, indent=1)
    models = {"room", "message", "membership", "sanction", "auditentry"}
    kinds = {f"/admin/chat/{one}/{page}" for one in models for page in ("", "N/change/")}
    kinds |= {f"/admin/chat/{one}/add/" for one in ("room", "membership", "sanction")}
    kinds.add("/admin/chat/membership/N/delete/")
    assert kinds <= seen


def test_what_the_admin_shows_when_one_does_something(
    new_context: NewContext, filled: ChatServer
) -> None:
    """Signing in, a filter, a chooser that is open, mistakes, what is to be deleted, who is online,
    and a room that says so: some ten looks."""
    room = new_room()
    talking = sign_in(new_context(), "alice", room)
    say(talking, "hello")
    page = new_context(**DESK).new_page()
    page.goto("/admin/login/")
    found = flaws(page)
    page = signed_in(page.context, "boss")
    page.goto("/admin/chat/membership/")
    expect(page.locator(".select2-selection__placeholder").first).to_have_text("all")
    page.locator("#changelist-filter .select2-selection").first.click()
    expect(page.locator(".select2-results__option[role=option]").first).to_be_visible()
    found += flaws(page)
    page.goto("/admin/chat/message/?state=deleted&q=nothing")
    found += flaws(page)
    for model in ("room", "sanction", "membership"):
        page.goto(f"/admin/chat/{model}/add/")
        page.locator("[name=_save]").click()
        expect(page.locator(".errornote")).to_be_visible()
        found += flaws(page)
    page.goto("/admin/chat/membership/")
    page.check("#result_list tbody tr:last-child .action-select")
    page.select_option("[name=action]", "delete_selected")
    page.locator(".actions .button").click()
    expect(page.get_by_text("Are you sure")).to_be_visible()
    found += flaws(page)
    page.goto(f"/admin/chat/room/?q={room}")
    page.locator("#result_list tbody th a").first.click()
    page.locator("table.online a").first.click()
    expect(page.get_by_role("button", name="Disconnect")).to_be_visible()
    found += flaws(page)
    page.go_back()
    expect(page.locator("table.online")).to_be_visible()
    found += flaws(page)
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist")).to_be_visible()
    found += flaws(page)
    assert found == [], json.dumps(found, indent=1)
