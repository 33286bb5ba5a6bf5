"""The Channels tutorial's own page, in a real browser, against our server (chat/TUTORIAL.md)."""

import re
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.acting import enter, message, new_room, say, sign_in

# In effect the tutorial's room.html: it appends `message` of whatever comes, and nothing else.
PAGE = """<!doctype html>
<title>Chat Room</title>
<textarea id="chat-log" cols="100" rows="20"></textarea><br>
<input id="chat-message-input" type="text" size="100"><br>
<input id="chat-message-submit" type="button" value="Send">
<script>
  const room = location.search.slice(1);
  const chatSocket = new WebSocket("ws://" + window.location.host + "/ws/chat/" + room + "/");
  const find = (selector) => document.querySelector(selector);
  chatSocket.onmessage = function (e) {
    const data = JSON.parse(e.data);
    find("#chat-log").value += data.message + "\\n";
  };
  chatSocket.onclose = function () { console.error("Chat socket closed unexpectedly"); };
  find("#chat-message-input").focus();
  find("#chat-message-input").onkeyup = function (e) {
    if (e.key === "Enter") { find("#chat-message-submit").click(); }
  };
  find("#chat-message-submit").onclick = function () {
    const input = find("#chat-message-input");
    chatSocket.send(JSON.stringify({"message": input.value}));
    input.value = "";
  };
</script>
"""


def window(new_context: Any, room: str) -> Page:
    """A window of its own, with the tutorial's page as if this server had it."""
    page: Page = new_context().new_page()
    show(page, room)
    return page


def show(page: Page, room: str) -> None:
    page.goto(f"/livez?{room}")  # of this origin, and without a policy on scripts
    page.set_content(PAGE)


def log(page: Page) -> str:
    return page.locator("#chat-log").input_value()


def expect_line(page: Page, line: str) -> None:
    expect(page.locator("#chat-log")).to_have_value(re.compile(rf"^{re.escape(line)}$", re.M))


def write(page: Page, text: str) -> None:
    """As its part 4 does: by keys, into whatever has the focus."""
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_two_windows_of_it_write_to_each_other_and_read_on_after_a_reload(new_context: Any) -> None:
    room = new_room()
    one = window(new_context, room)
    expect_line(one, "Here now: " + log_name(one))
    two = window(new_context, room)
    expect(one.locator("#chat-log")).to_have_value(re.compile("has joined"))
    for page, text in ((one, "hello"), (two, "hello yourself")):
        write(page, text)
        for each in (one, two):
            expect_line(each, text)
    show(one, room)
    expect_line(one, "hello yourself")
    assert log(one).splitlines()[:2] == ["hello", "hello yourself"]
    assert "undefined" not in log(one) + log(two)


def log_name(page: Page) -> str:
    """Who this window is: the first that it is told, in a new room, is that they are there."""
    expect(page.locator("#chat-log")).to_have_value(re.compile("^Here now: .+"))
    return log(page).removeprefix("Here now: ").strip()


def test_what_others_do_with_our_page_reads_as_lines(new_context: Any) -> None:
    room = new_room()
    alice = sign_in(new_context(), "alice", room)
    page = window(new_context, room)
    expect(page.locator("#chat-log")).to_have_value(re.compile("^Here now: .*Alice"))
    say(alice, "good mornin")
    expect_line(page, "good mornin")
    alice.press("#chat-message-input", "ArrowUp")
    alice.keyboard.press("End")
    write(alice, "g")
    expect_line(page, "Alice Moreau edited: good morning")
    write(page, " ")
    expect_line(page, "The message is empty.")
    write(page, "thanks")
    expect(message(alice, "thanks")).to_be_visible()
    assert "undefined" not in log(page)


# -- part 4, with our own page: as its tests do it ---------------------------------------------


def enter_by_index(context: BrowserContext, room: str) -> Page:
    page = context.new_page()
    page.goto("/chat/")
    write(page, room)
    page.wait_for_url(f"**/chat/{room}/")
    return page


def test_what_is_posted_is_seen_by_everyone_in_the_room_and_by_nobody_elsewhere(
    new_context: Any,
) -> None:
    room, other = new_room(), new_room()
    pages = [enter_by_index(new_context(), each) for each in (room, room, other)]
    write(pages[0], "hello")
    for page in pages[:2]:
        expect(message(page, "hello")).to_be_visible()
    write(pages[2], "world")
    expect(message(pages[2], "world")).to_be_visible()
    expect(message(pages[2], "hello")).to_have_count(0)
    back = enter(pages[2].context, room)
    expect(message(back, "hello")).to_be_visible()
    expect(message(back, "world")).to_have_count(0)
