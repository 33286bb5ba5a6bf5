"""What a page says is unread is what is new to its person, whatever else happened."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.acting import INPUT, choose, enter, hide, new_room, say, sign_in, stored
from tests.browser.conftest import NewContext

UNREAD = re.compile("unread")


def from_another_device(page: Page, room: str, command: dict[str, Any]) -> None:
    """Send a command as the page's person, over a socket that reads nothing; waits for its answer.
    (The person's own page would be looked at, and read.)"""
    page.evaluate(
        """([room, command]) => new Promise((resolve, reject) => {
          const socket = new WebSocket(`ws://${location.host}/ws/chat/${room}/`, ["chat.v1"]);
          socket.onopen = () => socket.send(JSON.stringify({...command, ref: "device"}));
          socket.onclose = reject;
          socket.onmessage = ({data}) => {
            const frames = data.split("\\n").map((line) => JSON.parse(line));
            if (!frames.some(({ref}) => ref === "device")) return;
            socket.onclose = null;
            socket.close();
            resolve();
          };
        })""",
        [room, command],
    )


def test_a_hidden_tab_counts_what_another_device_has_left_unread(new_context: NewContext) -> None:
    """Says twelve messages, one after the other."""
    room = new_room()
    tab, other = sign_in(new_context(), "alice", room), enter(new_context(), room)
    say(tab, "message 0")
    expect(stored(other, "message 0")).to_have_count(1)
    hide(tab, True)
    for n in range(1, 13):
        say(other, f"message {n}")
    expect(tab).to_have_title(re.compile(r"^\(12\) "))
    from_another_device(tab, room, {"type": "chat.read", "seq": 12})
    expect(tab).to_have_title(re.compile(r"^\(1\) "))
    expect(tab.locator(".new-row + .message")).to_contain_text("message 12")
    from_another_device(tab, room, {"type": "chat.read", "seq": 13})
    expect(tab).to_have_title(re.compile(rf"^{room} · "))
    expect(tab.locator(".new-row")).to_have_count(0)


def test_what_is_deleted_before_anybody_looked_is_counted_no_more(new_context: NewContext) -> None:
    room = new_room()
    tab, other = sign_in(new_context(), "alice", room), enter(new_context(), room)
    hide(tab, True)
    say(other, "sent by mistake")
    expect(tab).to_have_title(re.compile(r"^\(1\) "))
    expect(tab.locator(".new-row")).to_have_count(1)
    choose(other, "sent by mistake", "delete")
    other.click("dialog .danger")
    expect(tab).to_have_title(re.compile(rf"^{room} · "))
    expect(tab.locator(".new-row")).to_have_count(0)


def test_a_reaction_an_edit_a_deletion_and_one_s_own_message_mark_no_room(
    new_context: NewContext,
) -> None:
    """Four changes, and a look at the list after each."""
    context, room = new_context(), new_room()
    alice, bob = sign_in(context, "alice", room), sign_in(new_context(), "bob", room)
    say(alice, "mine")
    for text in ("read", "gone"):
        say(bob, text)
        expect(stored(alice, text)).to_have_count(1)
    with alice.expect_response("**/chat/lobby/"):
        alice.goto("/chat/lobby/")  # on its way out the page tells how far it was read
    link = alice.locator(f'room-list a[href="/chat/{room}/"]')

    def is_read() -> None:
        alice.reload()
        expect(link).to_be_visible()
        expect(link).not_to_have_class(UNREAD)
        expect(link.locator(".unread-dot")).to_have_count(0)

    is_read()
    choose(bob, "mine", "react")
    bob.click('message-menu [data-emoji="👍"]')
    expect(stored(bob, "mine").locator(".chip")).to_have_count(1)
    is_read()
    choose(bob, "read", "edit")
    bob.fill(INPUT, "read and changed")
    bob.press(INPUT, "Enter")
    expect(stored(bob, "read and changed")).to_have_count(1)
    is_read()
    choose(bob, "gone", "delete")
    bob.click("dialog .danger")
    expect(bob.locator(".message.deleted")).to_have_count(1)
    is_read()
    from_another_device(alice, room, {"message": "mine again"})
    expect(stored(bob, "mine again")).to_have_count(1)
    is_read()
    say(bob, "news")
    expect(stored(bob, "news")).to_have_count(1)
    alice.reload()
    expect(link).to_have_class(UNREAD)
    expect(link.locator(".unread-dot")).to_have_count(1)


def test_a_room_that_was_just_read_is_no_news_in_the_next(new_context: NewContext) -> None:
    """Who goes from room to room does not wait until each is told as read. Takes the second after
    which the list is looked at again, if the server was told too late."""
    first, second = new_room(), new_room()
    page, other = sign_in(new_context(), "alice", first), enter(new_context(), first)
    say(page, "hello")
    expect(stored(other, "hello")).to_have_count(1)
    page.goto(f"/chat/{second}/")
    say(page, "here, too")
    say(other, "news")
    expect(stored(other, "news")).to_have_count(1)
    page.reload()
    link = page.locator(f'room-list a[href="/chat/{first}/"]')
    expect(link).to_have_class(UNREAD)
    link.click()
    expect(stored(page, "news")).to_be_visible()
    page.locator(f'room-list a[href="/chat/{second}/"]').click()
    expect(page.locator(f'room-list a[href="/chat/{second}/"]')).to_have_attribute(
        "aria-current", "page"
    )
    expect(link).not_to_have_class(UNREAD, timeout=3_000)
