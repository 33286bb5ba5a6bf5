"""What can be done with a message: reply, react, edit, delete, copy."""

import re
from collections.abc import Callable
from uuid import uuid4

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.acting import (
    INPUT,
    choose,
    enter,
    leave_unsent,
    new_room,
    say,
    sign_in,
    stored,
    until,
)
from tests.browser.conftest import NewContext


def two_people(new_context: NewContext) -> tuple[Page, Page]:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    say(one, "the first word")
    for page in (one, other):
        expect(stored(page, "the first word")).to_have_count(1)
    return one, other


def test_an_edit_reaches_everybody_and_is_marked(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    one.press(INPUT, "ArrowUp")
    expect(one.locator(INPUT)).to_have_value("the first word")
    one.fill(INPUT, "the last word")
    one.press(INPUT, "Enter")
    for page in (one, other):
        expect(stored(page, "the last word").locator(".edited")).to_have_count(1)
        expect(stored(page, "the first word")).to_have_count(0)
    expect(one.locator(INPUT)).to_have_value("")
    one.reload()
    expect(stored(one, "the last word").locator(".edited")).to_have_count(1)


def test_an_edit_can_be_left_and_what_was_written_comes_back(new_context: NewContext) -> None:
    one, _ = two_people(new_context)
    one.fill(INPUT, "something else")
    choose(one, "the first word", "edit")
    expect(one.locator(INPUT)).to_have_value("the first word")
    one.press(INPUT, "Escape")
    expect(one.locator(INPUT)).to_have_value("something else")


def test_an_edit_is_kept_where_one_turns_to_something_else(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    say(other, "the second word")
    expect(stored(one, "the second word")).to_have_count(1)  # it moves what is pointed at
    one.fill(INPUT, "half a thought")
    choose(one, "the first word", "edit")
    one.fill(INPUT, "half an edit")
    choose(one, "the first word", "edit")  # once more changes nothing
    expect(one.locator(INPUT)).to_have_value("half an edit")
    choose(one, "the second word", "reply")
    expect(one.locator(".unsaved")).to_contain_text("half an edit")
    expect(one.locator(INPUT)).to_have_value("half a thought")
    one.press(INPUT, "Enter")
    expect(stored(other, "half a thought").locator(".quote")).to_contain_text("the second word")
    one.get_by_role("button", name="Continue editing").click()
    expect(one.locator(".unsaved")).to_be_hidden()
    expect(one.locator(".mode")).to_contain_text("Editing: the first word")
    one.locator(INPUT).press_sequentially(", now whole")
    one.press(INPUT, "Enter")
    expect(stored(other, "half an edit, now whole")).to_have_count(1)


def test_a_delete_reaches_everybody(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    choose(one, "the first word", "delete")
    expect(one.locator("dialog blockquote")).to_have_text("the first word")
    one.click("dialog .danger")
    for page in (one, other):
        expect(stored(page, "the first word")).to_have_count(0)
        expect(page.locator(".message.deleted")).to_contain_text("This message was deleted.")


def test_a_delete_asks_first(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    choose(one, "the first word", "delete")
    one.click("dialog .plain")
    expect(one.locator("dialog")).to_be_hidden()
    say(other, "still there?")
    expect(stored(one, "still there?")).to_have_count(1)
    expect(stored(one, "the first word")).to_have_count(1)


def test_nobody_is_offered_to_change_what_others_said(new_context: NewContext) -> None:
    _, other = two_people(new_context)
    stored(other, "the first word").hover()
    menu = other.locator("message-menu")
    expect(menu.locator('[data-do="reply"]')).to_be_visible()
    expect(menu.locator('[data-do="edit"]')).to_be_hidden()
    expect(menu.locator('[data-do="delete"]')).to_be_hidden()


def test_a_reply_quotes_its_message_and_leads_to_it(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    choose(other, "the first word", "reply")
    expect(other.locator(".mode")).to_contain_text("Replying to")
    other.fill(INPUT, "I disagree")
    other.press(INPUT, "Enter")
    for page in (one, other):
        expect(stored(page, "I disagree").locator(".quote")).to_contain_text("the first word")
    stored(one, "I disagree").locator(".quote").click()
    expect(stored(one, "the first word").first).to_be_focused()
    one.press(INPUT, "ArrowUp")
    one.fill(INPUT, "the second word")
    one.press(INPUT, "Enter")
    expect(stored(other, "I disagree").locator(".quote")).to_contain_text("the second word")


def test_a_reaction_is_put_and_taken_back(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    choose(other, "the first word", "react")
    other.click('message-menu [data-emoji="🎉"]')
    chip = stored(one, "the first word").locator(".chip")
    expect(chip).to_have_text("🎉 1")
    expect(chip).to_have_attribute("aria-pressed", "false")
    chip.click()
    expect(chip).to_have_text("🎉 2")
    expect(chip).to_have_attribute("aria-pressed", "true")
    chip.click()
    expect(stored(other, "the first word").locator(".chip")).to_have_text("🎉 1")
    stored(other, "the first word").locator(".chip").click()
    expect(stored(one, "the first word").locator(".chip")).to_have_count(0)


def test_a_message_can_be_copied(new_context: NewContext) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    page = enter(context, new_room())
    say(page, "copy `me`, please")
    choose(page, "copy", "copy-text")
    until(page, "navigator.clipboard.readText().then(t => t === 'copy `me`, please')")


def test_selected_text_is_copied_as_everywhere(new_context: NewContext) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    page = enter(context, new_room())
    say(page, "only one word of it")
    stored(page, "only").locator(".body").evaluate("e => getSelection().selectAllChildren(e)")
    page.keyboard.press("ControlOrMeta+c")  # a failure of the page's script fails the test
    until(page, "navigator.clipboard.readText().then(t => t.trim() === 'only one word of it')")


def test_the_keyboard_is_enough(new_context: NewContext) -> None:
    one, other = two_people(new_context)
    say(one, "and another")
    expect(stored(one, "and another")).to_have_count(1)
    one.keyboard.press("Shift+Tab")  # from the box into the log, at its newest message
    expect(stored(one, "and another")).to_be_focused()
    one.keyboard.press("ArrowUp")
    expect(stored(one, "the first word")).to_be_focused()
    one.keyboard.press("Tab")
    expect(one.locator('message-menu [data-do="react"]')).to_be_focused()
    one.keyboard.press("Enter")
    one.keyboard.press("Tab")
    one.keyboard.press("Enter")
    expect(stored(other, "the first word").locator(".chip")).to_have_text("👍 1")
    expect(one.locator('message-menu [data-do="react"]')).to_be_focused()
    one.keyboard.press("Escape")
    expect(stored(one, "the first word")).to_be_focused()


def test_the_keyboard_finds_the_log_after_a_draft_had_the_focus(new_context: NewContext) -> None:
    one, _ = two_people(new_context)
    leave_unsent(one, str(uuid4()), "not sent", detail="You are muted here.")
    held: list[Callable[[], None]] = []
    passes = False

    def between(socket: WebSocketRoute) -> None:
        def heard(frame: str | bytes) -> None:
            if passes:
                socket.send(frame)
            else:
                held.append(lambda: socket.send(frame))

        socket.connect_to_server().on_message(heard)

    one.route_web_socket("**/ws/chat/**", between)
    one.reload()
    one.locator(".draft button").first.focus()  # before the history is there
    expect(stored(one, "the first word")).to_have_count(0)
    passes = True
    for send in held:
        send()
    expect(stored(one, "the first word")).to_have_attribute("tabindex", "0")


def test_a_finger_gets_the_menu_with_a_tap(new_context: NewContext) -> None:
    context = new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = enter(context, new_room())
    say(page, "tap me")
    stored(page, "tap me").locator(".body").tap()
    page.locator('message-menu [data-do="react"]').tap()
    page.locator('message-menu [data-emoji="❤️"]').tap()
    expect(stored(page, "tap me").locator(".chip")).to_have_text("❤️ 1")


def test_a_moderator_may_delete_anything_and_says_why(new_context: NewContext) -> None:
    member = sign_in(new_context(), "alice", "lobby")
    moderator = sign_in(new_context(), "mod", "lobby")
    say(member, "something rude")
    expect(stored(moderator, "something rude")).to_have_count(1)
    choose(moderator, "something rude", "delete")
    moderator.fill("dialog input", "rude")
    moderator.press("dialog input", "Enter")
    expect(stored(member, "something rude")).to_have_count(0)
    expect(member.locator(".message").last).to_have_class(re.compile("deleted"))


def test_a_message_whose_frame_is_too_long_is_shown_as_failed_and_keeps_its_text(
    new_context: NewContext,
) -> None:
    """Within the characters of a message: JSON writes each of these in six bytes."""
    room = new_room()
    context = new_context()
    page = enter(context, room)
    page.evaluate(
        """() => {
          const input = document.querySelector("#chat-message-input");
          input.value = "kept " + "\\u0001".repeat(3500);
          input.dispatchEvent(new Event("input"));
        }"""
    )
    page.press(INPUT, "Enter")
    draft = page.locator(".draft")
    expect(draft.locator(".detail")).to_have_text(
        "This is too large to send. The limit is 16,384 bytes."
    )
    expect(draft.locator(".body")).to_contain_text("kept")
    page.reload()
    expect(draft.locator(".detail")).to_have_text(
        "This is too large to send. The limit is 16,384 bytes."
    )
    expect(draft.locator(".body")).to_contain_text("kept")
    say(page, "a short one")
    expect(stored(page, "a short one")).to_have_count(1)
