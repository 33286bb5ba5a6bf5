"""What is selected in the log is copied so that it can be read elsewhere."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import enter, frame_of, new_room, stored, told_by_the_server
from tests.browser.conftest import NewContext

ANN, BOB = {"id": 9, "name": "Ann"}, {"id": 8, "name": "Bob Okafor"}
ANSWER = "an answer\n```\ncode  here\n\n  more\n```\nand text"
SAID: list[dict[str, Any]] = [
    {"text": "first line\nsecond line", "user": ANN},
    {"text": "another by Ann", "user": ANN, "edited": "2026-11-22T09:31:00Z"},
    {"text": ANSWER, "reply_to": 101, "user": BOB},
    {"text": "waves", "user": ANN, "kind": "action", "reactions": {"👍": [8]}},
    {"text": "joined", "user": BOB, "kind": "notice"},
    {"text": "", "user": BOB, "deleted": "2026-11-22T09:31:00Z"},
    {"text": "next day", "user": BOB, "created": "2026-11-23T10:00:00Z"},
]
SELECT = """
    ([[first, from], [last, to]]) => {
      const text = (index) => {
        const body = document.querySelectorAll(".message .body")[index];
        return document.createTreeWalker(body, NodeFilter.SHOW_TEXT).nextNode();
      };
      getSelection().setBaseAndExtent(text(first), from, text(last), to);
    }
"""


@pytest.fixture
def page(new_context: NewContext) -> Page:
    context = new_context(
        locale="en-GB", timezone_id="UTC", permissions=["clipboard-read", "clipboard-write"]
    )
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    for seq, more in enumerate(SAID, 1):
        tell(frame_of(seq, **more))
    expect(stored(page, "next day")).to_have_count(1)
    return page


def copied(page: Page) -> str:
    page.keyboard.press("ControlOrMeta+c")
    text: Any = page.evaluate("navigator.clipboard.readText()")
    return str(text)


def test_several_messages_are_copied_as_who_said_what(page: Page) -> None:
    page.locator("#chat-log").evaluate("e => getSelection().selectAllChildren(e)")
    assert copied(page).split("\n\n", 1) == [
        "Sunday 22 November",
        "Ann, 09:30\nfirst line\nsecond line\n\n"
        "Ann, 09:30\nanother by Ann\n\n"
        "Bob Okafor, 09:30\nan answer\ncode  here\n\n  more\nand text\n\n"
        "Ann waves (09:30)\n\n"
        "Bob Okafor joined (09:30)\n\n"
        "Bob Okafor, 09:30\nThis message was deleted.\n\n"
        "Monday 23 November\n\n"
        "Bob Okafor, 10:00\nnext day",
    ]


def test_of_the_first_and_the_last_message_what_is_selected_is_copied(page: Page) -> None:
    page.evaluate(SELECT, [[0, 6], [2, 5]])
    assert copied(page) == (
        "Ann, 09:30\nline\nsecond line\n\nAnn, 09:30\nanother by Ann\n\nBob Okafor, 09:30\nan an"
    )


def test_it_is_the_same_when_it_is_selected_upwards(page: Page) -> None:
    page.evaluate(SELECT, [[1, 7], [0, 11]])
    assert copied(page) == "Ann, 09:30\nsecond line\n\nAnn, 09:30\nanother"


def test_within_one_message_the_browser_copies(page: Page) -> None:
    page.evaluate(SELECT, [[0, 6], [0, 17]])
    assert copied(page) == "line\nsecond"
    # With three clicks, a browser selects up to the beginning of what follows.
    page.evaluate(SELECT, [[0, 0], [1, 0]])
    assert copied(page).strip().startswith("first line\nsecond line")
    assert "another" not in page.evaluate("navigator.clipboard.readText()")


def test_what_is_folded_is_copied_too(new_context: NewContext) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    long = "\n".join(f"line {number}" for number in range(100))
    tell(frame_of(1, long), frame_of(2, "behind"))
    expect(page.locator(".folded")).to_have_count(1)
    page.locator("#chat-log").evaluate("e => getSelection().selectAllChildren(e)")
    assert f"\n{long}\n" in copied(page)
    assert "Show all" not in copied(page)


def test_elsewhere_the_browser_copies(page: Page) -> None:
    page.locator("#room-title").evaluate("e => getSelection().selectAllChildren(e)")
    title = page.locator("#room-title").inner_text()
    assert copied(page) == title
