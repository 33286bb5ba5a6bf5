"""A long message shows its beginning, and all of it where somebody wants that."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.acting import (
    choose,
    enter,
    frame_of,
    message,
    new_room,
    say,
    stored,
    told_by_the_server,
    until,
)
from tests.browser.conftest import NewContext


@pytest.fixture
def page(new_context: NewContext) -> Page:
    return enter(new_context(viewport={"width": 1280, "height": 800}), new_room())


def lines(count: int) -> str:
    return "\n".join("x" for _ in range(count))


def fill(page: Page, *texts: str) -> None:
    for text in texts:
        say(page, text)
        expect(page.locator(".draft")).to_have_count(0)


def height(row: Locator) -> float:
    box = row.bounding_box()
    assert box
    return box["height"]


def settled(page: Page) -> None:
    """What comes with the next frames (observers, scrolling) has come."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def top(element: Locator) -> float:
    return float(element.evaluate("e => e.getBoundingClientRect().top"))


def test_a_message_of_very_many_lines_is_folded_and_unfolds(new_context: NewContext) -> None:
    context = new_context(viewport={"width": 1280, "height": 800})
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    for seq, text in enumerate(["before", lines(3_000), "behind"], 1):
        tell(frame_of(seq, text))
    row = page.locator(".message:has(.fold)")
    button = row.locator(".fold")
    expect(button).to_have_text("Show all 3,000 lines")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(stored(page, "behind")).to_be_in_viewport()
    assert height(row) < 600
    read = top(row)
    button.click()
    expect(button).to_have_text("Show less")
    expect(button).to_have_attribute("aria-expanded", "true")
    assert height(row) > 60_000
    assert abs(top(row) - read) < 1  # what was read stays there
    settled(page)
    assert abs(top(row) - read) < 1
    button.scroll_into_view_if_needed()
    settled(page)
    read = top(button)
    button.press("Enter")
    expect(button).to_have_text("Show all 3,000 lines")
    assert height(row) < 600
    settled(page)
    expect(button).to_be_focused()
    expect(button).to_be_in_viewport()
    assert top(button) >= read - 1  # only the end of the log moves it


def test_the_keyboard_unfolds(page: Page) -> None:
    fill(page, lines(100))
    page.locator(".message[data-id]").focus()
    page.locator(".fold").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".fold")).to_have_text("Show less")
    page.keyboard.press("Space")
    expect(page.locator(".fold")).to_have_text("Show all 100 lines")


def test_what_is_unfolded_stays_so_when_the_message_is_drawn_anew(page: Page) -> None:
    fill(page, f"{lines(60)}\nlong")
    page.locator(".fold").click()
    choose(page, "long", "react")
    page.click('message-menu [data-emoji="👍"]')
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator(".fold")).to_have_text("Show less")
    expect(page.locator(".folded")).to_have_count(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 3_990, "Show all"),
        (f"```\n{lines(50)}\n```", "Show all 52 lines"),
        (lines(41), "Show all 41 lines"),
        (lines(40), None),
        ("x y " * 300, None),
    ],
)
def test_code_and_one_long_line_are_folded_too_and_shorter_ones_are_not(
    page: Page, text: str, words: str | None
) -> None:
    fill(page, text)
    expect(page.locator(".message[data-id]")).to_have_count(1)
    expect(page.locator(".fold")).to_have_text([words] if words else [])
    cut = page.locator(".message .body").evaluate("e => e.scrollHeight > e.clientHeight + 1")
    assert cut == (words is not None)


def test_what_the_browser_finds_in_the_folded_part_is_unfolded(page: Page) -> None:
    fill(page, f"{lines(200)}\nhttps://example.org/at-the-end")
    row = stored(page, "at-the-end")
    row.locator("a").focus()  # as Tab does; searching scrolls there likewise
    expect(row.locator(".fold")).to_have_text("Show less")
    expect(row.locator("a")).to_be_in_viewport()
    assert row.locator(".body").evaluate("e => e.scrollTop") == 0


def test_a_draft_is_folded_as_well(page: Page) -> None:
    page.route_web_socket("**/ws/chat/**", lambda socket: None)
    page.reload()
    say(page, lines(300))
    expect(message(page, "x").locator(".fold")).to_have_text("Show all 300 lines")
    page.locator(".fold").click()
    until(page, "document.querySelector('.fold').textContent === 'Show less'")
