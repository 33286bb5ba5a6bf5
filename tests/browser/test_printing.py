"""A printed room is its conversation."""

import re
import zlib

from playwright.sync_api import Page, expect

from tests.browser.acting import (
    choose,
    enter,
    frame_of,
    new_room,
    say,
    stored,
    told_by_the_server,
    until,
)
from tests.browser.conftest import NewContext

URL = "https://example.org/a/page"


def room_with_a_conversation(new_context: NewContext) -> Page:
    context = new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    long = "\n".join(f"line {number}" for number in range(100))
    say(page, "mine")
    expect(stored(page, "mine")).to_have_count(1)
    tell(frame_of(2, f"see {URL}"), frame_of(3, long), frame_of(4, f"```\n{'code ' * 80}\n```"))
    tell(*(frame_of(5 + number, f"message {number}") for number in range(60)))
    expect(stored(page, "message 59")).to_be_in_viewport()
    choose(page, "mine", "react")
    page.click('message-menu [data-emoji="👍"]')
    expect(page.locator(".chip")).to_have_count(1)
    return page


def test_the_conversation_is_printed_and_nothing_else(new_context: NewContext) -> None:
    """Takes a few seconds: a page of seventy messages is laid out again and again."""
    page = room_with_a_conversation(new_context)
    log = page.locator("#chat-log")
    read = log.evaluate("e => e.scrollTop")  # at its beginning, where the menu was opened
    page.emulate_media(media="print", color_scheme="dark")
    left_out = ".side, .talk-foot, #to-latest, message-menu, .fold, .edge-row, .skip"
    for each in page.locator(left_out).all():
        expect(each).to_be_hidden()
    for button in page.get_by_role("button").all():
        # What was said by them is printed: a reaction, a quote.
        expect(button).to_have_class(re.compile("chip|quote"))
    expect(page.locator("#room-title")).to_be_visible()
    expect(stored(page, "line 99").locator("p")).to_be_visible()
    # Nothing is cut off, at the bottom or at the side.
    bottom = stored(page, "message 59").evaluate("e => e.getBoundingClientRect().bottom + scrollY")
    assert page.evaluate("document.documentElement.scrollHeight") >= bottom > 2_500
    for clipped in (".log", ".log-frame", ".room", ".folded", ".body pre"):
        for each in page.locator(clipped).all():
            assert each.evaluate("e => e.scrollHeight <= e.clientHeight + 1"), clipped
            assert each.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), clipped
    # Dark letters, as paper is white.
    colour = page.locator(".body a").evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, re.findall(r"\d+", colour)[:3])) < 200
    page.emulate_media(media="screen")
    expect(stored(page, "mine")).to_be_in_viewport()
    expect(page.locator(".fold")).to_be_visible()
    until(page, f"document.querySelector('#chat-log').scrollTop === {read}")


def test_it_is_printed_on_as_many_pages_as_it_takes(new_context: NewContext) -> None:
    """Takes a few seconds: it makes a real document."""
    page = room_with_a_conversation(new_context)
    document = page.pdf(format="A4")
    pages = len(re.findall(rb"/Type /Page\b", document))
    assert pages > 2
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", document, re.DOTALL)
    links = [stream for stream in [document, *map(unpacked, streams)] if URL.encode() in stream]
    assert links  # they can be followed


def unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""
