"""What was typed is still there: after a reload, and whatever becomes of the call that sends it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.acting import (
    INPUT,
    choose,
    enter,
    new_room,
    say,
    sign_in,
    stored,
    until,
    wait_until_connected,
)
from tests.browser.conftest import NewContext
from tests.conftest import StartServer

Frame = dict[str, Any]


class Line:
    """The way of a context's frames: keeps those of one type from the server, or their answers from
    the page."""

    def __init__(self, context: BrowserContext) -> None:
        self.swallowed: list[Frame] = []  # what did not arrive
        self._unasked = ""
        self._unanswered: set[str] = set()
        self._silent = ""
        self.first_page = 0  # so many messages are on it, if not 0
        context.route_web_socket("**/ws/chat/**", self._between)

    def keep_from_the_server(self, kind: str) -> None:
        self._unasked = kind

    def keep_the_answer(self, kind: str) -> None:
        """To frames of that type: they arrive, and nobody hears of it."""
        self._silent = kind

    def _between(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def asked(data: str | bytes) -> None:
            frame = json.loads(data)
            scrolls_back = frame["type"] == "chat.history" and frame["limit"] > 1
            if frame["type"] == self._unasked or (self.first_page and scrolls_back):
                self.swallowed.append(frame)
                return
            if frame["type"] == self._silent:
                self._unanswered.add(frame["ref"])
            server.send(data)

        def told(data: str | bytes) -> None:
            frames = [json.loads(line) for line in str(data).splitlines()]
            heard = [frame for frame in frames if frame.get("ref") not in self._unanswered]
            self.swallowed += [frame for frame in frames if frame not in heard]
            for frame in heard:
                if frame["type"] == "chat.history" and "ref" not in frame and self.first_page:
                    frame.update(messages=frame["messages"][-self.first_page :], more=True)
            if heard:
                socket.send("\n".join(map(json.dumps, heard)))

        socket.on_message(asked)
        server.on_message(told)


def reload(page: Page) -> None:
    page.reload()
    wait_until_connected(page)


def begin_edit(page: Page, text: str, becomes: str) -> None:
    choose(page, text, "edit")
    page.fill(INPUT, becomes)


def said(context: BrowserContext, *texts: str) -> Page:
    page = enter(context, new_room())
    for text in texts:
        say(page, text)
        expect(stored(page, text)).to_have_count(1)
    return page


# -- a reload ---------------------------------------------------------------------------------


def test_a_reload_in_the_middle_of_an_edit_changes_nothing(new_context: NewContext) -> None:
    page = said(new_context(), "as it was")
    page.fill(INPUT, "half a thought")
    begin_edit(page, "as it was", "as it should be")
    reload(page)
    expect(page.locator(INPUT)).to_have_value("as it should be")
    expect(page.locator(".mode")).to_contain_text("Editing: as it was")
    page.press(INPUT, "Enter")
    expect(stored(page, "as it should be").locator(".edited")).to_have_count(1)
    expect(page.locator(INPUT)).to_have_value("half a thought")
    reload(page)
    expect(page.locator(INPUT)).to_have_value("half a thought")
    expect(page.locator(".mode")).to_be_hidden()


def test_a_reload_leaves_a_reply_its_target(new_context: NewContext) -> None:
    page = said(new_context(), "a question")
    choose(page, "a question", "reply")
    page.fill(INPUT, "half an answer")
    reload(page)
    expect(page.locator(".mode")).to_contain_text("a question")
    expect(page.locator(INPUT)).to_have_value("half an answer")
    page.press(INPUT, "Enter")
    expect(stored(page, "half an answer").locator(".quote")).to_contain_text("a question")


def test_edits_that_wait_come_back_too(new_context: NewContext) -> None:
    page = said(new_context(), "one", "two")
    begin_edit(page, "one", "one, edited")
    choose(page, "two", "reply")
    reload(page)
    expect(page.locator(".mode")).to_contain_text("Replying to")
    page.get_by_role("button", name="Continue editing").click()
    expect(page.locator(INPUT)).to_have_value("one, edited")


def test_an_edit_comes_back_where_its_message_is_not_on_the_first_page(
    new_context: NewContext,
) -> None:
    context = new_context()
    line = Line(context)
    page = said(context, "the first", "the second")
    begin_edit(page, "the first", "the first, edited")
    line.first_page = 1
    reload(page)
    expect(stored(page, "the second")).to_have_count(1)
    expect(stored(page, "the first")).to_have_count(0)
    expect(page.locator(INPUT)).to_have_value("the first, edited")
    page.press(INPUT, "Enter")
    until(page, "!Object.keys(sessionStorage).some(key => key.includes(':composing:'))")
    expect(page.locator(INPUT)).to_have_value("")
    expect(page.locator(".note")).to_be_empty()
    line.first_page = 0
    reload(page)
    expect(stored(page, "the first, edited")).to_have_count(1)


# -- what becomes of a call -------------------------------------------------------------------


def test_a_server_that_dies_in_the_middle_leaves_the_edit_in_the_box(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    context = new_context(base_url=server.url)
    line = Line(context)
    page = said(context, "as it was")
    line.keep_from_the_server("chat.edit")
    begin_edit(page, "as it was", "as it should be")
    page.press(INPUT, "Enter")
    expect(page.locator(INPUT)).to_have_value("")  # it is on its way
    server.kill()
    expect(page.locator(".note")).to_contain_text("It is not known whether this was saved.")
    expect(page.locator(INPUT)).to_have_value("as it should be")
    server.start()
    line.keep_from_the_server("")
    reload(page)
    expect(page.locator(INPUT)).to_have_value("as it should be")
    page.press(INPUT, "Enter")
    expect(stored(page, "as it should be")).to_have_count(1)


def test_an_edit_that_is_not_answered_comes_back_and_can_be_saved(new_context: NewContext) -> None:
    context = new_context()
    context.clock.install()
    line = Line(context)
    page = said(context, "as it was")
    line.keep_from_the_server("chat.edit")
    begin_edit(page, "as it was", "as it should be")
    page.press(INPUT, "Enter")
    until(page, "document.querySelector('#chat-message-input').value === ''")
    page.clock.fast_forward(12_500)
    expect(page.locator(".note")).to_contain_text("It is not known whether this was saved.")
    expect(page.locator(INPUT)).to_have_value("as it should be")
    line.keep_from_the_server("")
    page.press(INPUT, "Enter")
    expect(stored(page, "as it should be")).to_have_count(1)


@pytest.mark.parametrize("meanwhile", ["a reload", "a time-out"])
@pytest.mark.parametrize(
    ("said_first", "typed", "shown"),
    [
        ("as it was", "as it should be", "as it should be"),
        ("/me waves", "/me  waves twice", "waves twice"),
        ("/me waves", "waves twice", "waves twice"),
    ],
    ids=["a text", "an action", "an action without its word"],
)
def test_an_edit_that_was_saved_unheard_is_no_conflict_with_itself(
    new_context: NewContext, meanwhile: str, said_first: str, typed: str, shown: str
) -> None:
    context = new_context()
    context.clock.install()
    line = Line(context)
    page = enter(context, new_room())
    say(page, said_first)
    before = said_first.removeprefix("/me ")
    expect(stored(page, before)).to_have_count(1)
    line.keep_the_answer("chat.edit")
    begin_edit(page, before, typed)
    page.press(INPUT, "Enter")
    until_swallowed(page, line)
    if meanwhile == "a reload":
        reload(page)
    else:
        page.clock.fast_forward(12_500)
        expect(page.locator(INPUT)).to_have_value(typed)
        line.keep_the_answer("")
        page.press(INPUT, "Enter")
    expect(page.locator(INPUT)).to_have_value("")
    expect(page.locator(".mode, .other, .unsaved").locator("visible=true")).to_have_count(0)
    expect(stored(page, shown).locator(".edited")).to_have_count(1)


def test_an_edit_outlives_its_tab(new_context: NewContext) -> None:
    context = new_context()
    page = said(context, "as it was")
    begin_edit(page, "as it was", "as it should be")
    address = page.url
    page.close(run_before_unload=True)
    page = context.new_page()
    page.goto(address)
    wait_until_connected(page)
    expect(page.locator(INPUT)).to_have_value("")
    expect(page.locator(".unsaved")).to_contain_text("as it should be")
    page.get_by_role("button", name="Continue editing").click()
    page.press(INPUT, "Enter")
    expect(stored(page, "as it should be")).to_have_count(1)
    expect(page.locator(".unsaved")).to_be_hidden()


def test_an_edit_that_is_left_waits_until_it_is_discarded(new_context: NewContext) -> None:
    context = new_context()
    page = said(context, "as it was")
    begin_edit(page, "as it was", "as it should be")
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator(".unsaved")).to_contain_text("as it should be")
    page.press(INPUT, "Escape")
    expect(page.locator(".unsaved")).to_contain_text("as it should be")
    expect(page.locator(INPUT)).to_have_value("")
    page.get_by_role("button", name="Discard").click()
    for tab in (page, other):
        expect(tab.locator(".unsaved")).to_be_hidden()
    expect(page.locator(INPUT)).to_be_focused()
    reload(page)
    expect(page.locator(".unsaved")).to_be_hidden()


def test_an_edit_of_an_edit_that_is_on_its_way_is_no_conflict(new_context: NewContext) -> None:
    context = new_context()
    page = said(context, "one")
    begin_edit(page, "one", "two")
    # Both in one turn: no answer can come in between.
    page.evaluate(
        """() => {
          const input = document.querySelector("#chat-message-input");
          const press = (key) => input.dispatchEvent(
            new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
          press("Enter");
          press("ArrowUp");
          globalThis.begun = input.value;
          input.value += ", three";
          input.dispatchEvent(new Event("input"));
        }"""
    )
    assert page.evaluate("begun") == "two"
    expect(stored(page, "two")).to_have_count(1)
    expect(page.locator(INPUT)).to_have_value("two, three")
    expect(page.locator(".other")).to_be_hidden()
    page.press(INPUT, "Enter")
    expect(stored(page, "two, three")).to_have_count(1)
    expect(page.locator(".note")).to_be_empty()


def until_swallowed(page: Page, line: Line) -> None:
    for _ in range(200):
        if line.swallowed:
            return
        page.wait_for_timeout(50)  # Playwright's way to let frames through
    raise AssertionError("nothing was swallowed")


def test_an_edit_with_half_a_surrogate_pair_is_saved(new_context: NewContext) -> None:
    page = said(new_context(), "as it was")
    choose(page, "as it was", "edit")
    page.evaluate(
        """() => {
          const input = document.querySelector("#chat-message-input");
          input.value = "half \\ud83d of it";
          input.dispatchEvent(new Event("input"));
        }"""
    )
    page.press(INPUT, "Enter")
    expect(stored(page, "half \ufffd of it")).to_have_count(1)
    expect(page.locator(".note")).to_be_empty()


def test_a_moderators_reason_is_still_there_when_the_deletion_fails(
    new_context: NewContext,
) -> None:
    context = new_context()
    context.clock.install()
    line = Line(context)
    page = sign_in(context, "mod", "lobby")
    say(sign_in(new_context(), "alice", "lobby"), "something rude")
    expect(stored(page, "something rude")).to_have_count(1)
    line.keep_from_the_server("chat.delete")
    choose(page, "something rude", "delete")
    page.fill("dialog input", "because it is rude")
    page.click("dialog .danger")
    until_swallowed(page, line)
    page.clock.fast_forward(12_500)
    expect(page.locator("dialog .why-not")).to_contain_text("It is not known whether")
    expect(page.locator("dialog input")).to_have_value("because it is rude")
    page.click("dialog .plain")
    choose(page, "something rude", "delete")
    expect(page.locator("dialog input")).to_have_value("because it is rude")
    expect(page.locator("dialog .why-not")).to_be_empty()
    line.keep_from_the_server("")
    page.click("dialog .danger")
    expect(page.locator("dialog")).to_be_hidden()
    expect(stored(page, "something rude")).to_have_count(0)


def test_older_messages_that_do_not_come_are_asked_for_again(new_context: NewContext) -> None:
    context = new_context()
    context.clock.install()
    line = Line(context)
    page = said(context, "the first", "the second")
    line.first_page = 1
    reload(page)
    expect(page.get_by_text("Loading older messages")).to_be_visible()
    until_swallowed(page, line)
    line.first_page = 0
    for _ in range(2):  # until the time is out, and until it asks again
        page.clock.fast_forward(12_500)
    expect(stored(page, "the first")).to_have_count(1)


# -- a browser that keeps nothing -------------------------------------------------------------

FORBIDDEN = """
  for (const name of ["sessionStorage", "localStorage"]) {
    Object.defineProperty(window, name, {get() { throw new DOMException("", "SecurityError"); }});
  }
"""
FULL = """
  Storage.prototype.setItem = function (key, value) {
    if (!key.includes("probe")) throw new DOMException("", "QuotaExceededError");
  };
"""


@pytest.mark.parametrize("storage", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_where_nothing_can_be_kept_the_browser_asks_before_the_page_goes(
    new_context: NewContext, storage: str
) -> None:
    context = new_context()
    context.add_init_script(storage)
    page = said(context, "as it was")
    begin_edit(page, "as it was", "as it should be")
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.close(run_before_unload=True)
    until_true(page, lambda: asked == ["beforeunload"])
    expect(page.locator(INPUT)).to_have_value("as it should be")
    page.press(INPUT, "Enter")
    expect(stored(page, "as it should be")).to_have_count(1)
    with page.expect_event("close"):
        page.close(run_before_unload=True)  # nothing is at risk any more


def until_true(page: Page, condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def test_who_writes_before_the_script_has_come_keeps_both_texts(new_context: NewContext) -> None:
    page = said(new_context(), "as it was")
    begin_edit(page, "as it was", "as it should be")
    page.add_init_script(
        """document.addEventListener("readystatechange", () => {
          if (document.readyState === "interactive") {
            document.querySelector("#chat-message-input").value = "typed at once";
          }
        });"""
    )
    reload(page)
    expect(page.locator(INPUT)).to_have_value("typed at once")
    expect(page.locator(".unsaved")).to_contain_text("as it should be")
