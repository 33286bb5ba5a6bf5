"""Scrolling up, and finding back."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import (
    INPUT,
    enter,
    hide,
    new_room,
    say,
    stored,
    told_by_the_server,
    until,
)
from tests.browser.conftest import NewContext
from tests.browser.modules import run
from tests.support.servers import ChatServer

AT_END = """(() => {
  const log = document.querySelector("#chat-log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 2;
})()"""
TOP = "e => e.getBoundingClientRect().top"


LONG_ROOM = """
from factory.random import randgen, reseed_random
from chat.factories import MessageFactory, RoomFactory, UserFactory

reseed_random(1)
people = UserFactory.create_batch(6)
room = RoomFactory(slug="long")
for n in range(400):
    MessageFactory(room=room, author=randgen.choice(people), body=f"{n} " * randgen.randint(1, 99))
"""


@pytest.fixture(scope="module")
def long_room(server: ChatServer) -> str:
    """The address of a room with 400 messages of all lengths."""
    server.manage("shell", "--no-imports", "-c", LONG_ROOM)
    return "long"


def scroll_to(page: Page, top: int) -> None:
    """Scroll the log; returns once the page has heard it, at the start of the next picture."""
    page.locator("#chat-log").evaluate(
        """(log, top) => {
          log.scrollTop = top;
          return new Promise(done => requestAnimationFrame(done));
        }""",
        top,
    )


def first_seen(page: Page) -> Any:
    """The id of the first message in view, and where on the screen it is."""
    return page.locator("#chat-log").evaluate(
        """log => {
          const top = log.getBoundingClientRect().top;
          const rows = [...log.querySelectorAll(".message[data-id]")];
          const row = rows.find(each => each.getBoundingClientRect().bottom > top + 1);
          return [row.dataset.id, row.getBoundingClientRect().top];
        }"""
    )


def said(seq: int) -> dict[str, Any]:
    """A message as the server tells it."""
    return {
        "id": 1_000_000 + seq,
        "seq": seq,
        "pos": seq,
        "client_id": f"c{seq}",
        "user": {"id": 9_000, "name": "Bot"},
        "message": f"message {seq}",
        "created": "2026-11-22T09:30:00Z",
    }


def test_older_messages_come_without_a_jump(new_context: NewContext, long_room: str) -> None:
    page = enter(new_context(), long_room)
    rows = page.locator(".message[data-id]")
    expect(rows).to_have_count(50)
    for pages in range(2, 6):
        scroll_to(page, 300)
        row, top = first_seen(page)
        expect(rows).to_have_count(50 * pages)
        now = page.locator(f'.message[data-id="{row}"]').evaluate(TOP)
        assert abs(now - top) <= 1, f"moved by {now - top} px"


def test_the_log_reaches_back_to_its_beginning(new_context: NewContext, long_room: str) -> None:
    page = enter(new_context(), long_room)
    rows = page.locator(".message[data-id]")
    for count in range(100, 401, 50):
        scroll_to(page, 0)
        expect(rows).to_have_count(count)
    expect(page.locator(".edge-row")).to_contain_text("the beginning of the room")
    seqs = page.locator("#chat-log").evaluate("log => log.querySelectorAll('.message').length")
    assert seqs == 400


def test_a_tall_window_is_filled_at_once(new_context: NewContext, long_room: str) -> None:
    page = enter(new_context(viewport={"width": 1280, "height": 6_000}), long_room)
    log = page.locator("#chat-log")
    until(page, "document.querySelectorAll('.message').length >= 100")
    assert log.evaluate("e => e.scrollHeight > e.clientHeight")


def test_news_do_not_move_what_is_being_read(new_context: NewContext, long_room: str) -> None:
    page, other = enter(new_context(), long_room), enter(new_context(), long_room)
    latest = page.locator("#to-latest")
    expect(latest).to_be_hidden()
    scroll_to(page, 1_500)
    expect(latest).to_have_text("Jump to latest")
    row, top = first_seen(page)
    say(other, "news from below")
    expect(latest).to_have_text("1 new message")
    assert abs(page.locator(f'.message[data-id="{row}"]').evaluate(TOP) - top) <= 1
    latest.click()
    expect(stored(page, "news from below")).to_be_in_viewport()
    expect(latest).to_be_hidden()
    expect(page.locator(".new-row")).to_have_count(1)


def test_who_jumps_to_the_latest_by_keyboard_can_write_there(
    new_context: NewContext, long_room: str
) -> None:
    page = enter(new_context(), long_room)
    latest = page.locator("#to-latest")
    scroll_to(page, 1_500)
    expect(latest).to_be_visible()  # a hidden button takes no focus, and tells nobody so
    latest.focus()
    page.keyboard.press("Enter")
    expect(latest).to_be_hidden()
    expect(page.locator(INPUT)).to_be_focused()
    until(page, AT_END)


def test_at_the_end_it_stays_at_the_end(new_context: NewContext) -> None:
    room = new_room()
    page, other = enter(new_context(), room), enter(new_context(), room)
    for n in range(15):
        say(other, f"line {n}\nand one more")
        expect(stored(page, f"line {n}\n")).to_have_count(1)
    until(page, AT_END)
    page.set_viewport_size({"width": 700, "height": 500})
    until(page, AT_END)
    assert page.locator("#chat-log").evaluate("e => e.scrollHeight > e.clientHeight")


def test_an_edit_above_does_not_move_what_is_being_read(
    new_context: NewContext, long_room: str
) -> None:
    page, other = enter(new_context(), long_room), enter(new_context(), long_room)
    say(other, "short")
    expect(stored(page, "short").last).to_be_visible()
    for n in range(12):
        say(other, f"filler {n}\nof two lines")
        expect(stored(page, f"filler {n}\n")).to_have_count(1)
    scroll_to(page, page.locator("#chat-log").evaluate("e => e.scrollHeight") - 950)
    row, top = first_seen(page)
    stored(other, "short").last.hover()
    other.locator('message-menu [data-do="edit"]').click()
    other.keyboard.type(" and much longer" * 60)
    other.keyboard.press("Enter")
    expect(stored(page, "and much longer")).to_have_count(1)
    assert abs(page.locator(f'.message[data-id="{row}"]').evaluate(TOP) - top) <= 1


# A tab in the background gets no frames, and so none of what comes with them.
NO_FRAMES = """
addEventListener("scroll", (event) => event.stopPropagation(), {capture: true});
window.ResizeObserver = class { observe() {} };
"""


def test_a_hidden_tab_in_a_busy_room_does_not_grow_for_ever(new_context: NewContext) -> None:
    context = new_context()
    context.add_init_script(NO_FRAMES)
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    hide(page, True)
    news = [said(seq) for seq in range(1, 1_004)]
    tell({"type": "chat.history", "mode": "since", "messages": news[:998], "head": 998})
    tell(*({"type": "chat.message", **each} for each in news[998:]))
    expect(stored(page, "message 1003")).to_have_count(1)
    assert page.locator(".message").count() < 500


def test_the_way_to_the_latest_goes_on_when_something_new_comes(
    new_context: NewContext, long_room: str
) -> None:
    context = new_context()
    tell = told_by_the_server(context)
    page = enter(context, long_room)
    scroll_to(page, 1_000)
    page.locator("#to-latest").click()
    for seq in range(9_001, 9_006):
        tell({"type": "chat.message", **said(seq)})
        expect(stored(page, f"message {seq}")).to_have_count(1)
    until(page, AT_END, 3)
    expect(stored(page, "message 9005")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("event", "stays"),
    [
        *[("wheel", True), ("pointerdown", True), ("keydown", True)],
        ("scrollend", False),  # of the movement before
    ],
)
def test_who_takes_over_on_the_way_to_the_latest_stays_there(
    page: Page, event: str, stays: bool
) -> None:
    script = """
      const box = document.body.appendChild(document.createElement("div"));
      const content = box.appendChild(document.createElement("div"));
      box.style = "position: relative; height: 200px; overflow: auto";
      content.style = "height: 5000px";
      const scroller = new all.Scroller(box, content, () => {});
      scroller.glideToEnd("smooth");
      const gliding = scroller.atEnd;
      box.dispatchEvent(new Event(input));
      return [gliding, scroller.atEnd];
    """
    assert run(page, "scroller", script, event) == [True, not stays]


def test_a_turned_screen_shows_what_was_being_read(new_context: NewContext, long_room: str) -> None:
    page = enter(new_context(viewport={"width": 900, "height": 420}), long_room)
    scroll_to(page, 1_500)
    expect(page.locator("#to-latest")).to_be_visible()
    row, top = first_seen(page)
    for width, height in ((420, 900), (900, 420)):
        page.set_viewport_size({"width": width, "height": height})
        until(
            page,
            f"""Math.abs(document.querySelector('.message[data-id="{row}"]')
                .getBoundingClientRect().top - {top}) <= 1""",
            3,
        )
