"""Fits every screen, and everybody can use it."""

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import (
    INPUT,
    choose,
    enter,
    new_room,
    online,
    say,
    send,
    sign_in,
    stored,
    told_by_the_server,
)
from tests.browser.conftest import NewContext

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
WIDEST = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"


def fill(page: Page) -> None:
    """Something of everything."""
    say(page, LONG)
    say(page, "```\n" + "a wide line of code " * 20 + "\n```\nand `inline`, https://example.org/x")
    say(page, "/me waves")
    say(page, "gone")
    expect(stored(page, "gone")).to_have_count(1)
    choose(page, "gone", "delete")
    page.click("dialog .danger")
    expect(page.locator(".message.deleted")).to_have_count(1)
    choose(page, "inline", "react")
    page.click('message-menu [data-emoji="👍"]')
    choose(page, "inline", "reply")
    page.fill(INPUT, "a reply, @alice")
    send(page)
    expect(stored(page, "a reply").locator(".quote")).to_have_count(1)


def test_a_narrow_screen_does_not_scroll_sideways(new_context: NewContext) -> None:
    page = sign_in(new_context(**PHONE), "alice", new_room())
    fill(page)
    assert page.evaluate(WIDEST) <= 390
    right = page.locator(".body, .quote, .chip, .composer").evaluate_all(
        "all => Math.max(...all.map(each => each.getBoundingClientRect().right))"
    )
    assert right <= 390
    for path in ("/chat/", "/accounts/sign-in/"):
        page.goto(path)
        assert page.evaluate(WIDEST) <= 390


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_quoted_name_is_not_cut_where_there_is_room(new_context: NewContext, size: Any) -> None:
    context = new_context(**size)
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    first = {"id": 1, "seq": 1, "pos": 1, "client_id": "c", "user": {"id": 9, "name": "Ann Smith"}}
    answer = {"id": 2, "seq": 2, "pos": 2, "client_id": "d", "reply_to": 1}
    created = {"created": "2026-11-22T09:30:00Z"}
    tell(
        {"type": "chat.message", **first, **created, "message": "ok"},
        {"type": "chat.message", **first, **answer, **created, "message": "good"},
    )
    name = page.locator(".quote strong")
    expect(name).to_have_text("Ann Smith")
    assert name.evaluate("e => e.scrollWidth <= e.clientWidth")
    long = {"type": "chat.edited", **first, **created, "pos": 3, "message": LONG}
    tell(long | {"user": {"id": 9, "name": LONG[:80]}})
    expect(page.locator(".quote")).to_contain_text(LONG[:80])
    assert name.evaluate("e => e.offsetWidth < e.parentElement.offsetWidth / 2 + 30")


def test_messages_of_one_s_own_are_one_block(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    for text in ("one", "two", "/me waves", "three"):
        say(page, text)
    expect(page.locator(".message.own[data-id]")).to_have_count(4)
    boxes = [each.bounding_box() for each in page.locator(".message.own").all()]
    edges = [(box["y"], box["y"] + box["height"]) for box in boxes if box]
    gaps = [below[0] - above[1] for above, below in pairwise(edges)]
    assert [round(gap) for gap in gaps] == [0, 0, 0]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_long_room_name_does_not_make_the_message_box_taller(
    new_context: NewContext, size: Any
) -> None:
    page = enter(new_context(**size), f"{new_room()}-{'wwwww-' * 10}x")
    height = "e => e.offsetHeight"
    empty = page.locator(INPUT).evaluate(height)
    page.fill(INPUT, "x")
    assert page.locator(INPUT).evaluate(height) == empty


@pytest.mark.parametrize(("name", "width"), [(None, 390), (None, 320), ("mod", 320)])
def test_on_a_narrow_screen_the_header_has_two_rows(
    new_context: NewContext, name: str | None, width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 700})
    room = new_room()
    page = sign_in(context, name, room) if name else enter(context, room)
    page.goto("/chat/")
    rows = page.locator(".site :is(.brand, .avatar, .account-name, a, .quiet, .switch)")
    middles = rows.evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect()).map((box) => (box.top + box.bottom) / 2)"
    )
    assert len(middles) >= 6
    assert len({round(middle / 6) for middle in middles}) == 2
    assert page.evaluate(WIDEST) <= width
    assert page.locator(".account-name").evaluate("e => e.scrollWidth <= e.clientWidth")


def test_on_a_narrow_screen_people_and_rooms_are_drawers(new_context: NewContext) -> None:
    page = sign_in(new_context(**PHONE), "alice", "lobby")
    button = page.locator("#people-button")
    expect(button).to_contain_text("1")
    expect(online(page)).to_be_hidden()
    button.click()
    expect(online(page)).to_contain_text("Alice")
    expect(page.locator("#people-drawer .drawer-close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(online(page)).to_be_hidden()
    expect(button).to_be_focused()
    page.get_by_role("button", name="Rooms").click()
    expect(page.locator("room-list a").first).to_be_visible()
    page.touchscreen.tap(380, 400)
    expect(page.locator("room-list a").first).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "drawer"), [("Rooms", "rooms-drawer"), ("Online", "people-drawer")]
)
def test_tab_stays_in_an_open_drawer_and_escape_leads_back(
    new_context: NewContext, name: str, drawer: str
) -> None:
    page = sign_in(new_context(**PHONE), "alice", "lobby")
    opener = page.get_by_role("button", name=name)
    opener.click()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(f"document.activeElement.matches('#{drawer} *, body')")
    page.keyboard.press("Escape")
    expect(page.locator(f"#{drawer}")).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(opener).to_be_focused()


def test_a_tap_that_closes_a_drawer_does_nothing_else(new_context: NewContext) -> None:
    page = sign_in(new_context(**PHONE), "alice", new_room())
    page.get_by_role("button", name="Rooms").click()
    box = page.locator("#people-button").bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#rooms-drawer")).to_be_hidden()
    expect(page.locator("#people-drawer")).to_be_hidden()


def test_a_window_that_grows_lets_go_of_what_a_drawer_covered(new_context: NewContext) -> None:
    page = sign_in(new_context(viewport={"width": 700, "height": 800}), "alice", "lobby")
    page.get_by_role("button", name="Rooms").click()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator(INPUT).click()
    expect(page.locator(INPUT)).to_be_focused()
    expect(page.locator("[inert]")).to_have_count(0)


def test_fields_are_large_enough_that_ios_does_not_zoom_in(new_context: NewContext) -> None:
    page = enter(new_context(**PHONE), new_room())
    size = "all => Math.min(...all.map(each => parseFloat(getComputedStyle(each).fontSize)))"
    fields = "textarea, input:not([type=hidden])"
    assert page.locator(fields).evaluate_all(size) >= 16
    for path in ("/chat/", "/accounts/sign-in/", "/accounts/sign-up/"):
        page.goto(path)
        assert page.locator(fields).evaluate_all(size) >= 16


def test_on_a_wide_screen_they_stand_beside_the_talk(new_context: NewContext) -> None:
    page = sign_in(new_context(**DESK), "alice", "lobby")
    expect(online(page).first).to_be_visible()
    expect(page.locator("room-list a").first).to_be_visible()
    expect(page.locator("#people-button")).to_be_hidden()


def test_the_skip_link_leads_to_the_message_box(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    page.locator(".skip").focus()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator(INPUT)).to_be_focused()


def test_only_what_others_have_just_said_is_read_out(new_context: NewContext) -> None:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    say(other, "before")
    expect(stored(one, "before")).to_have_count(1)
    one.reload()
    name = other.locator(".account-name").inner_text()
    spoken = one.locator("spoken-news[aria-live=polite] p")
    expect(stored(one, "before")).to_have_count(1)
    expect(one.get_by_role("log", name="Messages")).to_have_attribute("aria-live", "off")
    say(one, "my own")
    say(other, "hello")
    expect(spoken).to_have_text([f"{name}: hello"])
    expect(stored(other, "hello")).to_have_count(1)  # its sender may hear of it last
    other.press(INPUT, "ArrowUp")
    other.fill(INPUT, "hello again")
    other.press(INPUT, "Enter")
    choose(one, "before", "react")
    one.click('message-menu [data-emoji="👍"]')
    say(other, "/me waves")
    expect(spoken).to_have_text([f"{name}: hello", f"{name}: waves"])
    expect(stored(one, "hello again")).to_have_count(1)
    expect(one.locator(".chip")).to_have_count(1)


def test_the_log_holds_articles(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    say(page, "hello")
    log = page.get_by_role("log", name="Messages")
    expect(log.get_by_role("article")).to_contain_text(re.compile("hello"))


def test_what_is_written_from_right_to_left_reads_and_is_cut_off_that_way(
    new_context: NewContext,
) -> None:
    context = new_context(**PHONE)
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    arabic = "مرحبا بكم جميعا!"
    topic = "نتحدث هنا عن كل شيء " * 5
    tell({"type": "room.updated", "room": {"id": 1, "slug": "x", "title": "", "topic": topic}})
    say(page, f"{arabic}\nIn English.")
    direction = "e => getComputedStyle(e).direction"
    expect(stored(page, arabic)).to_have_count(1)
    assert stored(page, arabic).locator(".body p").evaluate(direction) == "rtl"
    assert page.locator("#room-topic").evaluate(direction) == "rtl"
    body = stored(page, arabic).locator(".body p").bounding_box()
    assert body
    assert body["width"] < 200  # beside the name, not at the other edge
    page.fill(INPUT, arabic)
    assert page.locator(INPUT).evaluate(direction) == "rtl"


@pytest.mark.parametrize(
    ("locale", "time", "day"),
    [
        ("en-US", "6:29 PM", "Saturday, February 3, 2018"),
        ("en-GB", "18:29", "Saturday 3 February 2018"),
        ("de-DE", "18:29", "Samstag, 3. Februar 2018"),
    ],
)
def test_times_and_days_are_written_as_the_reader_s_browser_writes_them(
    new_context: NewContext, locale: str, time: str, day: str
) -> None:
    context = new_context(locale=locale, timezone_id="Europe/Berlin")
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    message = {"id": 1, "seq": 1, "pos": 1, "client_id": "c", "user": {"id": 9, "name": "Ann"}}
    created = {"message": "long ago", "created": "2018-02-03T17:29:00Z"}
    tell({"type": "chat.message", **message, **created})
    expect(stored(page, "long ago").locator("time")).to_have_text(time.replace(" ", "\u202f"))
    shown = page.locator(".day-row").inner_text()
    assert shown.replace(",", "") == day.replace(",", "")
