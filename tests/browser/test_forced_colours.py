"""With the reader's own colours (Windows' contrast themes), what colours told is still told.

The colours of backgrounds and the pictures in them are all one there: what is seen is compared.
"""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.acting import (
    INPUT,
    choose,
    enter,
    frame_of,
    hide,
    new_room,
    say,
    sign_in,
    stored,
    told_by_the_server,
)
from tests.browser.conftest import NewContext

FORCED: dict[str, Any] = {
    "forced_colors": "active",
    "viewport": {"width": 1280, "height": 800},
    "reduced_motion": "reduce",
}


def style(element: Locator, name: str, part: str | None = None) -> str:
    """As it is when all transitions are over: with less motion they take a moment too."""
    script = """async (e, [part, name]) => {
      const ended = e.getAnimations({subtree: true}).map(({finished}) => finished);
      await Promise.allSettled(ended);
      return getComputedStyle(e, part).getPropertyValue(name);
    }"""
    return str(element.evaluate(script, [part, name]))


def ground(page: Page) -> str:
    return style(page.locator("body"), "background-color")


def test_one_s_own_messages_and_what_is_new_are_marked(new_context: NewContext) -> None:
    context = new_context(**FORCED)
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    say(page, "mine")
    expect(stored(page, "mine")).to_have_count(1)
    tell(frame_of(2, "theirs"))
    expect(stored(page, "theirs")).to_have_count(1)
    edges = [style(stored(page, text), "border-left-color") for text in ("mine", "theirs")]
    assert edges[0] != ground(page)
    assert edges[1] == ground(page)
    hide(page, True)
    tell(frame_of(3, "theirs, unseen"))
    line = page.locator(".new-row")
    expect(line).to_have_count(1)
    assert style(line, "background-color", "::before") != ground(page)
    assert style(page.locator(".day-row").first, "background-color", "::before") != ground(page)


def test_pressed_and_unpressed_differ(new_context: NewContext) -> None:
    page = enter(new_context(**FORCED), new_room())
    say(page, "mine")
    choose(page, "mine", "react")
    page.click('message-menu [data-emoji="👍"]')
    chip = page.locator(".chip")
    expect(chip).to_have_attribute("aria-pressed", "true")
    pressed = style(chip, "background-color")
    chip.evaluate("e => e.setAttribute('aria-pressed', 'false')")
    assert style(chip, "background-color") != pressed
    switch = page.locator(".switch")
    expect(switch).to_have_attribute("aria-checked", "false")
    off = style(switch, "background-color", "::before")
    assert style(switch, "border-top-color", "::before") != off
    switch.evaluate("e => e.setAttribute('aria-checked', 'true')")
    assert style(switch, "background-color", "::before") != off


def test_focus_is_seen_everywhere(new_context: NewContext) -> None:
    page = enter(new_context(**FORCED), new_room())
    say(page, "mine")
    expect(stored(page, "mine")).to_have_count(1)
    composer = page.locator("chat-composer")
    page.locator(INPUT).focus()
    assert style(composer, "outline-style") == "solid"
    highlight = style(composer, "outline-color")
    assert highlight != ground(page)
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        focused = page.locator(":focus-visible")
        if focused.count() and not focused.evaluate("e => e.matches('textarea')"):
            seen.add(focused.evaluate("e => e.tagName"))
            # The page's own ring: the browser's would be "auto".
            assert style(focused, "outline-style") in ("solid", "double")
            assert style(focused, "outline-color") == highlight
    assert {"A", "BUTTON"} <= seen


def test_dots_are_seen(new_context: NewContext) -> None:
    """Of a room with news, and of a person who is online: the demo has a direct room with Bob."""
    room = new_room()
    alice = sign_in(new_context(**FORCED), "alice", room)
    say(alice, "hello")
    expect(stored(alice, "hello")).to_have_count(1)
    with alice.expect_response("**/chat/lobby/"):
        alice.goto("/chat/lobby/")
    bob = sign_in(new_context(), "bob", room)
    say(bob, "news")
    expect(stored(bob, "news")).to_have_count(1)
    alice.reload()
    dots = {
        ".unread-dot": alice.locator(f'room-list a[href="/chat/{room}/"]'),
        ".online-dot": alice.locator("room-list li", has_text="Bob"),
    }
    for what, line in dots.items():
        dot = line.locator(what)
        expect(dot).to_be_visible()
        assert style(dot, "background-color") != ground(alice)


def test_the_room_that_one_is_in_is_marked(new_context: NewContext) -> None:
    page = sign_in(new_context(**FORCED), "alice", "lobby")
    here = page.locator("room-list [aria-current]")
    assert style(here, "outline-style") == "solid"
    assert style(here, "outline-color") != ground(page)
