"""What the composer makes of keys, files and words that look like commands; the offline bar."""

from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.acting import INPUT, enter, new_room, say, stored, until
from tests.browser.conftest import NewContext

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


def test_enter_on_a_touch_keyboard_breaks_the_line_and_the_button_sends(
    new_context: NewContext,
) -> None:
    page = enter(new_context(**PHONE), new_room())
    expect(page.locator(INPUT)).to_have_attribute("enterkeyhint", "enter")
    page.locator(INPUT).tap()
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    expect(page.locator(INPUT)).to_have_value("one\ntwo")
    page.locator(".send").tap()
    expect(stored(page, "one")).to_contain_text("two")
    expect(page.locator(INPUT)).to_have_value("")
    page.keyboard.type("with keys")  # the box still has the focus, and the keyboard is still there
    page.keyboard.press("Control+Enter")
    expect(stored(page, "with keys")).to_have_count(1)


def test_enter_on_a_desk_sends_and_says_so(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    expect(page.locator(INPUT)).to_have_attribute("enterkeyhint", "send")
    page.fill(INPUT, "one")
    page.press(INPUT, "Shift+Enter")
    page.keyboard.type("two")
    page.press(INPUT, "Enter")
    expect(stored(page, "one")).to_contain_text("two")


def test_who_writes_several_lines_stays_at_the_end_of_the_log(new_context: NewContext) -> None:
    """Measuring the box must not move the log. Two people, and some sixty keys."""
    room = new_room()
    page, other = enter(new_context(), room), enter(new_context(), room)
    for number in range(12):
        say(other, f"one\ntwo\nmessage {number}")
    expect(stored(page, "message 11")).to_be_visible()
    left = (
        "(e => e.scrollHeight - e.scrollTop - e.clientHeight)(document.getElementById('chat-log'))"
    )
    page.focus(INPUT)
    for _ in range(6):
        page.keyboard.type("a word")
        until(page, f"{left} <= 1")
        page.keyboard.press("Shift+Enter")
    page.keyboard.type("the end")
    say(other, "what comes is seen")
    expect(stored(page, "what comes is seen")).to_be_in_viewport()
    expect(page.locator("#to-latest")).to_be_hidden()


# -- files ------------------------------------------------------------------------------------

PASTE_OR_DROP = """([type, text, target]) => {
  const data = new DataTransfer();
  data.items.add(new File(["x"], "picture.png", {type: "image/png"}));
  if (text) data.setData("text/plain", text);
  const options = {bubbles: true, cancelable: true};
  const event = type === "paste"
    ? new ClipboardEvent(type, {...options, clipboardData: data})
    : new DragEvent(type, {...options, dataTransfer: data});
  return document.querySelector(target).dispatchEvent(event);
}"""


@pytest.mark.parametrize(
    ("event", "target"), [("paste", INPUT), ("drop", INPUT), ("drop", "#chat-log")]
)
def test_a_file_is_told_that_it_is_not_taken(
    new_context: NewContext, event: str, target: str
) -> None:
    page = enter(new_context(), new_room())
    page.evaluate(PASTE_OR_DROP, [event, "", target])
    expect(page.locator(".note")).to_have_text("Pictures and other files cannot be sent here yet.")


def test_a_file_that_is_dropped_does_not_take_the_place_of_the_page(
    new_context: NewContext,
) -> None:
    page = enter(new_context(), new_room())
    for event in ("dragover", "drop"):
        went_on = page.evaluate(PASTE_OR_DROP, [event, "", "#chat-log"])
        assert not went_on, event  # the browser's own way would open it


def test_text_is_pasted_also_where_a_picture_comes_with_it(new_context: NewContext) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    page = enter(context, new_room())
    assert page.evaluate(PASTE_OR_DROP, ["paste", "words", INPUT])  # the browser's own way
    page.evaluate("navigator.clipboard.writeText('only words')")
    page.reload()
    page.press(INPUT, "ControlOrMeta+v")
    expect(page.locator(INPUT)).to_have_value("only words")
    expect(page.locator(".note")).to_be_empty()


# -- what looks like a command ----------------------------------------------------------------


def test_an_unknown_command_is_asked_about_and_posted_when_it_is_sent_again(
    new_context: NewContext,
) -> None:
    page = enter(new_context(), new_room())
    say(page, "/shrug well")
    expect(page.locator(".note")).to_contain_text("there is no command /shrug")
    expect(page.locator(INPUT)).to_have_value("/shrug well")
    page.fill(INPUT, "/shrug well then")  # another text is asked about anew
    expect(page.locator(".note")).to_be_empty()
    page.press(INPUT, "Enter")
    expect(page.locator(".note")).to_contain_text("there is no command /shrug")
    expect(page.locator(".message")).to_have_count(0)
    page.press(INPUT, "Enter")
    expect(stored(page, "/shrug well then")).to_have_count(1)
    expect(page.locator(".note")).to_be_empty()
    say(page, "/shrug well then")  # and so is the same, the next time
    expect(page.locator(".note")).to_contain_text("there is no command /shrug")


def test_a_path_is_posted_at_once(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    for text in ("/etc/passwd is readable", "//x", "/", "/me waves"):
        say(page, text)
        expect(page.locator(".message[data-id]").last).to_contain_text(text.removeprefix("/me "))


# -- pages of the log -------------------------------------------------------------------------


def test_page_up_in_an_empty_composer_scrolls_the_log(new_context: NewContext) -> None:
    page = enter(new_context(reduced_motion="reduce"), new_room())
    for n in range(4):
        say(page, f"{n}\n" + "line\n" * 30)
        expect(page.locator(".message[data-id]")).to_have_count(n + 1)
    left = "(log => log.scrollHeight - log.clientHeight - log.scrollTop)"
    at = f"{left}(document.getElementById('chat-log'))"
    until(page, f"{at} <= 1")
    page.press(INPUT, "PageUp")
    until(page, f"{at} > 100")
    once = page.evaluate(at)
    page.press(INPUT, "PageUp")
    until(page, f"{at} > {once} + 100")
    for _ in range(2):
        page.press(INPUT, "PageDown")
    until(page, f"{at} <= 1")
    expect(page.locator(INPUT)).to_be_focused()
    page.fill(INPUT, "not empty")
    page.press(INPUT, "PageUp")
    assert page.evaluate(at) <= 1


def test_page_up_is_not_pulled_back_to_the_end(new_context: NewContext) -> None:
    """While the log still glides to what was just sent."""
    page = enter(new_context(), new_room())
    for n in range(4):
        say(page, f"{n}\n" + "line\n" * 30)
        expect(page.locator(".message[data-id]")).to_have_count(n + 1)
    say(page, "last\n" + "line\n" * 30)
    page.press(INPUT, "PageUp")
    expect(page.locator("#to-latest")).to_be_visible()
    expect(stored(page, "last")).to_have_count(1)
    say(enter(page.context, page.url.split("/")[-2]), "from another tab")
    expect(stored(page, "from another tab")).to_have_count(1)
    expect(page.locator("#to-latest")).to_be_visible()


# -- the offline bar --------------------------------------------------------------------------


class Slow:
    """The way of a page's frames; pongs are kept back while `holds`."""

    def __init__(self, page: Page) -> None:
        self.holds = False
        self.held: list[tuple[WebSocketRoute, str | bytes]] = []
        page.route_web_socket("**/ws/chat/**", self._between)

    def release(self) -> None:
        self.holds = False
        for socket, frame in self.held:
            socket.send(frame)

    def _between(self, socket: WebSocketRoute) -> None:
        def told(frame: str | bytes) -> None:
            if self.holds:
                self.held.append((socket, frame))
            else:
                socket.send(frame)

        socket.connect_to_server().on_message(told)


def test_the_offline_bar_comes_within_two_seconds_and_goes_when_it_was_not_true(
    new_context: NewContext,
) -> None:
    """By the page's own clock, which is put forward: a busy machine makes it no later."""
    context, room = new_context(), new_room()
    context.clock.install()
    page = context.new_page()
    way = Slow(page)
    page.goto(f"/chat/{room}/")
    expect(page.locator("#chat-log .edge-row")).to_be_attached()
    until(page, "document.querySelector('connection-state').hidden")
    way.holds = True
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.clock.run_for(1_900)
    assert "You are offline." in page.locator("connection-state").inner_text()
    way.release()
    expect(page.locator("connection-state")).to_be_hidden()
    say(page, "all is well")
    expect(stored(page, "all is well")).to_have_count(1)


def test_a_connection_that_lives_shows_no_offline_bar(new_context: NewContext) -> None:
    """Three seconds, for the bar to come in if it would."""
    context = new_context()
    context.clock.install()
    page = enter(context, new_room())
    page.evaluate(
        """() => {
          globalThis.shown = 0;
          const bar = document.querySelector("connection-state");
          new MutationObserver(() => { shown += !bar.hidden; })
            .observe(bar, {attributes: true});
          window.dispatchEvent(new Event("offline"));
        }"""
    )
    say(page, "an answer came by")
    expect(stored(page, "an answer came by")).to_have_count(1)
    page.clock.fast_forward(3_000)
    say(page, "and another")
    expect(stored(page, "and another")).to_have_count(1)
    assert page.evaluate("shown") == 0
