"""What two tabs do to one message at the same time: nobody overwrites the other unseen."""

from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.acting import INPUT, choose, enter, new_room, say, stored, wait_until_connected
from tests.browser.conftest import NewContext


def two_tabs(context: BrowserContext, text: str = "as it was") -> tuple[Page, Page, str]:
    """Of one person, in one room."""
    room = new_room()
    one = enter(context, room)
    say(one, text)
    expect(stored(one, text)).to_have_count(1)
    other = enter(context, room)
    return one, other, room


def begin_edit(page: Page, text: str, becomes: str) -> None:
    choose(page, text, "edit")
    page.fill(INPUT, becomes)


def edit(page: Page, text: str, becomes: str) -> None:
    begin_edit(page, text, becomes)
    page.press(INPUT, "Enter")
    expect(stored(page, becomes)).to_have_count(1)


def delete(page: Page, text: str) -> None:
    choose(page, text, "delete")
    page.click("dialog .danger")
    expect(stored(page, text)).to_have_count(0)


class Deaf:
    """The way of a context's next page, which hears nothing of what happens while `deaf`."""

    def __init__(self, context: BrowserContext) -> None:
        self.deaf = False
        self._routes: list[WebSocketRoute] = []
        context.route_web_socket("**/ws/chat/**", self._between)

    def cut(self) -> None:
        """It loses its connection, and comes back."""
        self.deaf = False
        self._routes[-1].close(code=4408)

    def _between(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        self._routes.append(socket)

        def told(frame: str | bytes) -> None:
            if not self.deaf or '"ref"' in str(frame):
                socket.send(frame)

        server.on_message(told)


def overtaken(new_context: NewContext) -> tuple[Page, Page]:
    """Somebody's tab with an edit of "as it was" that says "mine", and another's that was saved
    first, "theirs", of which the tab knows nothing; it has pressed Enter."""
    context = new_context()
    _, other, room = two_tabs(context)
    way = Deaf(context)
    page = enter(context, room)
    begin_edit(page, "as it was", "mine")
    way.deaf = True
    edit(other, "as it was", "theirs\nwith a second line")
    page.press(INPUT, "Enter")
    expect(page.locator(".other blockquote")).to_have_text("theirs\nwith a second line")
    way.deaf = False
    return page, other


def test_who_was_overtaken_sees_both_texts_and_overwrites_nothing(new_context: NewContext) -> None:
    page, other = overtaken(new_context)
    expect(page.locator(INPUT)).to_have_value("mine")
    expect(page.locator(".other-words")).to_have_text(
        "This message was edited in the meantime. It now says:"
    )
    page.press(INPUT, "Enter")  # not by mistake either
    expect(page.locator(".note")).to_contain_text("Not saved.")
    say(other, "still here")
    expect(stored(other, "theirs")).to_have_count(1)
    page.reload()
    wait_until_connected(page)
    expect(page.locator(INPUT)).to_have_value("mine")
    expect(page.locator(".other blockquote")).to_contain_text("theirs")


def test_who_was_overtaken_and_then_lost_the_message_is_told_only_what_holds(
    new_context: NewContext,
) -> None:
    page, other = overtaken(new_context)
    page.press(INPUT, "Enter")
    expect(page.locator(".note")).to_contain_text("Use the other text")
    delete(other, "theirs")
    expect(page.locator(".other-words")).to_contain_text("This message was deleted.")
    expect(page.locator(".note")).to_be_empty()


def test_who_was_overtaken_may_save_over_the_other_text(new_context: NewContext) -> None:
    page, other = overtaken(new_context)
    page.get_by_role("button", name="Save mine over it").click()
    for each in (page, other):
        expect(stored(each, "mine")).to_have_count(1)
        expect(stored(each, "theirs")).to_have_count(0)
    expect(page.locator(".other")).to_be_hidden()
    expect(page.locator(INPUT)).to_have_value("")


def test_who_was_overtaken_may_take_the_other_text_and_go_on_with_it(
    new_context: NewContext,
) -> None:
    page, other = overtaken(new_context)
    page.get_by_role("button", name="Use this text").click()
    expect(page.locator(".other")).to_be_hidden()
    expect(page.locator(INPUT)).to_have_value("theirs\nwith a second line")
    page.locator(INPUT).press_sequentially(", and more")
    page.press(INPUT, "Enter")
    expect(stored(other, "with a second line, and more")).to_have_count(1)


def test_another_edit_is_shown_while_one_still_types(new_context: NewContext) -> None:
    one, other, _ = two_tabs(new_context())
    begin_edit(one, "as it was", "mine")
    edit(other, "as it was", "theirs")
    expect(one.locator(".other blockquote")).to_have_text("theirs")
    expect(one.locator(INPUT)).to_have_value("mine")
    edit(other, "theirs", "theirs, once more")
    expect(one.locator(".other blockquote")).to_have_text("theirs, once more")
    one.get_by_role("button", name="Save mine over it").click()
    expect(stored(other, "mine")).to_have_count(1)


def test_two_tabs_that_edit_one_message_leave_both_edits(new_context: NewContext) -> None:
    context = new_context()
    one, other, _ = two_tabs(context)
    begin_edit(one, "as it was", "mine")
    begin_edit(other, "as it was", "mine, too")
    address = one.url
    one.close()
    other.close()
    page = context.new_page()
    page.goto(address)
    offered = set()
    for _ in range(2):
        page.get_by_role("button", name="Continue editing").click()
        offered.add(page.locator(INPUT).input_value())
    assert offered == {"mine", "mine, too"}


def test_a_reaction_refuses_no_edit(new_context: NewContext) -> None:
    one, other, _ = two_tabs(new_context())
    begin_edit(one, "as it was", "mine")
    choose(other, "as it was", "react")
    other.click('message-menu [data-emoji="🎉"]')
    expect(stored(one, "as it was").locator(".chip")).to_have_count(1)
    expect(one.locator(".other")).to_be_hidden()
    one.press(INPUT, "Enter")
    expect(stored(other, "mine")).to_have_count(1)


def test_an_edit_of_a_message_that_is_deleted_can_be_sent_as_a_new_one(
    new_context: NewContext,
) -> None:
    one, other, _ = two_tabs(new_context())
    one.fill(INPUT, "half a thought")
    begin_edit(one, "as it was", "as it should be")
    delete(other, "as it was")
    expect(one.locator(".other-words")).to_contain_text("was deleted")
    one.press(INPUT, "Enter")
    expect(one.locator(".note")).to_contain_text("as a new message")
    expect(one.locator(INPUT)).to_have_value("as it should be")
    one.get_by_role("button", name="Send mine as a new message").click()
    expect(stored(other, "as it should be")).to_have_count(1)
    expect(one.locator(INPUT)).to_have_value("half a thought")
    expect(one.locator(".other-words")).to_be_empty()


def test_a_reply_whose_target_is_deleted_says_so_and_keeps_its_text(
    new_context: NewContext,
) -> None:
    one, other, _ = two_tabs(new_context())
    choose(one, "as it was", "reply")
    one.fill(INPUT, "an answer")
    delete(other, "as it was")
    gone = "Replying to a deleted message"
    expect(one.locator(".mode")).to_contain_text(gone)
    one.press(INPUT, "Enter")
    expect(stored(other, "an answer")).to_have_count(1)


def test_a_catch_up_tells_of_what_was_deleted_meanwhile(new_context: NewContext) -> None:
    context = new_context()
    _, other, room = two_tabs(context)
    way = Deaf(context)
    page = enter(context, room)
    begin_edit(page, "as it was", "as it should be")
    way.deaf = True
    delete(other, "as it was")
    way.cut()
    expect(page.locator(".other-words")).to_contain_text("was deleted", timeout=15_000)
    expect(page.locator(INPUT)).to_have_value("as it should be")


def test_a_reload_tells_of_what_was_edited_meanwhile(new_context: NewContext) -> None:
    one, other, _ = two_tabs(new_context())
    begin_edit(one, "as it was", "mine")
    one.goto("about:blank")
    edit(other, "as it was", "theirs")
    one.go_back()
    wait_until_connected(one)
    expect(one.locator(".other blockquote")).to_have_text("theirs")
    expect(one.locator(INPUT)).to_have_value("mine")
