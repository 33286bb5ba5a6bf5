"""People talk in a room."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.acting import (
    INPUT,
    enter,
    hide,
    message,
    new_room,
    online,
    say,
    sign_in,
    stored,
    told_by_the_server,
    until,
    wait_until_connected,
)
from tests.browser.conftest import NewContext
from tests.support.servers import ChatServer


def test_two_windows_chat_without_signing_up(new_context: NewContext) -> None:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    say(one, "Is anybody here?")
    expect(stored(other, "Is anybody here?")).to_have_count(1)
    say(other, "I am.")
    expect(stored(one, "I am.")).to_have_count(1)
    expect(stored(one, "Is anybody here?")).to_have_class(re.compile(r"\bown\b"))
    expect(stored(one, "I am.")).not_to_have_class(re.compile(r"\bown\b"))
    expect(one.locator(".draft")).to_have_count(0)


def test_a_reload_keeps_scrollback_and_identity(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    name = page.locator(".account-name").inner_text()
    for text in ("first", "second", "third"):
        say(page, text)
        expect(stored(page, text)).to_have_count(1)
    page.reload()
    expect(page.locator(".message[data-id] .body")).to_have_text(["first", "second", "third"])
    assert page.locator(".account-name").inner_text() == name


def test_somebody_with_two_tabs_is_online_once(new_context: NewContext) -> None:
    room = new_room()
    context = new_context()
    one = enter(context, room)
    expect(online(one)).to_have_count(1)
    second = enter(context, room)
    other = enter(new_context(), room)
    for page in (one, second, other):
        expect(online(page)).to_have_count(2)
        expect(page.locator("people-list .count")).to_have_text("2")
    second.close()
    say(other, "still two of us")
    expect(stored(one, "still two of us")).to_have_count(1)
    expect(online(other)).to_have_count(2)
    context.close()
    expect(online(other)).to_have_count(1, timeout=20_000)


def test_the_tutorial_s_steps_work(new_context: NewContext) -> None:
    """As in the tests of Channels' tutorial: type a room, Enter, type a message, Enter."""
    room = new_room()
    one, other = new_context().new_page(), new_context().new_page()
    for page in (one, other):
        page.goto("/chat/")
        expect(page.locator("#room-name-input")).to_be_focused()
        page.keyboard.type(room)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/chat/{room}/")
    wait_until_connected(one)
    expect(one.locator(INPUT)).to_be_focused()
    one.keyboard.type("hello")
    one.keyboard.press("Enter")
    for page in (one, other):
        until(page, "document.querySelector('#chat-log').value.includes('hello')")
    other.locator(INPUT).fill("and you")
    other.click("#chat-message-submit")
    until(one, "document.querySelector('#chat-log').value.includes('and you')")


@pytest.mark.parametrize(
    ("path", "field"),
    [("/chat/", "room-name-input"), ("/chat/typed-at-once/", "chat-message-input")],
)
def test_who_types_at_once_loses_no_letter(new_context: NewContext, path: str, field: str) -> None:
    """As the tutorial's Selenium tests do: its pages take the focus before they have loaded."""
    page = new_context().new_page()
    page.goto(path)
    page.keyboard.type("hello")
    expect(page.locator(f"#{field}")).to_have_value("hello")


def test_a_name_with_spaces_and_capitals_shows_its_address(new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto("/chat/")
    page.fill("#room-name-input", "Öl & Gas Today")
    expect(page.locator("#room-name-help")).to_have_text(
        "No room has that name. Press Enter to create /chat/öl-gas-today/."
    )
    expect(page.locator("#lists h2").locator("visible=true")).to_have_count(0)
    page.press("#room-name-input", "Enter")
    wait_until_connected(page)
    expect(page.locator("#room-title")).to_have_text("öl-gas-today")
    say(page, "hello")
    expect(stored(page, "hello")).to_have_count(1)


def test_others_see_who_is_typing_until_it_is_said(new_context: NewContext) -> None:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    name = other.locator(".account-name").inner_text()
    other.locator(INPUT).press_sequentially("hmm")
    expect(one.locator("typing-line")).to_contain_text(f"{name} is typing…")
    expect(other.locator("typing-line")).not_to_contain_text("typing…")
    other.press(INPUT, "Enter")
    expect(one.locator("typing-line")).not_to_contain_text("typing…")


def test_shift_enter_makes_a_line_and_the_box_grows(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    low = page.locator(INPUT).bounding_box()
    page.locator(INPUT).press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    tall = page.locator(INPUT).bounding_box()
    assert low
    assert tall
    assert tall["height"] > low["height"]
    page.keyboard.press("Enter")
    expect(stored(page, "two").locator(".body")).to_have_text("one\ntwo", use_inner_text=True)
    back = page.locator(INPUT).bounding_box()
    assert back
    assert back["height"] == low["height"]


def test_what_is_being_written_survives_a_reload(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    page.fill(INPUT, "half a thou")
    page.reload()
    wait_until_connected(page)
    expect(page.locator(INPUT)).to_have_value("half a thou")


def test_the_limit_shows_when_it_is_near(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    counter = page.locator("#composer-counter")
    page.fill(INPUT, "x" * 3_700)
    expect(counter).to_be_empty()
    page.fill(INPUT, "🎉" * 3_990)  # a character each, as the server counts
    expect(counter).to_have_text("10 left")
    page.fill(INPUT, "x" * 4_001)
    expect(counter).to_have_text("1 character too many")
    expect(page.locator("#chat-message-submit")).to_be_disabled()
    page.fill(INPUT, "x" * 5_234)
    expect(counter).to_have_text("1,234 characters too many")
    page.press(INPUT, "Enter")
    said = "Not sent: 1,234 characters too many. The limit is 4,000."
    expect(page.get_by_role("alert")).to_have_text(said)
    expect(page.locator(".message")).to_have_count(0)
    page.fill(INPUT, "short")
    page.press(INPUT, "Enter")
    expect(page.locator(".note")).to_be_empty()
    expect(page.locator(".message[data-id]")).to_have_count(1)


def test_neighbours_of_one_author_are_grouped_under_one_name(new_context: NewContext) -> None:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    for page, text in ((one, "a1"), (one, "a2"), (other, "b1"), (one, "a3")):
        say(page, text)
        expect(stored(one, text)).to_have_count(1)
    grouped = one.locator(".message").evaluate_all("m => m.map(e => e.matches('.grouped'))")
    assert grouped == [False, True, False, False]
    expect(one.locator(".day-row")).to_have_text(["Today"])


def test_me_reads_as_a_deed(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    name = page.locator(".account-name").inner_text()
    say(page, "/me waves")
    done = page.locator(".message[data-id].is-action .body p")
    expect(done).to_contain_text(f"{name} guest waves")


def test_the_title_counts_what_came_while_nobody_looked(new_context: NewContext) -> None:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    hide(one, True)
    for text in ("one", "two"):
        say(other, text)
    expect(one).to_have_title(re.compile(r"^\(2\) "))
    expect(one.locator(".new-row")).to_have_count(1)
    hide(one, False)
    expect(one).to_have_title(re.compile(rf"^{room} · "))
    say(one, "seen")
    expect(one.locator(".new-row")).to_have_count(0)


def test_a_tab_that_is_hidden_tells_at_once_how_far_it_was_read(new_context: NewContext) -> None:
    context, room = new_context(), new_room()
    context.clock.install()
    page = context.new_page()
    told: list[int] = []

    def sent(data: str | bytes) -> None:
        if (frame := json.loads(data))["type"] == "chat.read":
            told.append(frame["seq"])

    page.on("websocket", lambda socket: socket.on("framesent", sent))
    page.goto(f"/chat/{room}/")
    wait_until_connected(page)
    page.clock.pause_at(2_000_000_000_000)  # no timer fires from here on
    say(page, "the first and last")
    page.clock.run_for(100)  # drawn
    expect(stored(page, "the first and last")).to_have_count(1)
    assert told == []
    hide(page, True)
    until(page, "true")
    assert told == [1]


def test_a_room_with_something_new_is_marked_in_the_list(new_context: NewContext) -> None:
    room = new_room()
    context = new_context()
    told: list[str] = []
    context.on(
        "page",
        lambda page: page.on(
            "websocket", lambda socket: socket.on("framereceived", lambda f: told.append(str(f)))
        ),
    )
    alice = sign_in(context, "alice", room)
    other = enter(context, room)  # her other tab, which is told how far she has read
    say(enter(new_context(), room), "before")
    expect(stored(alice, "before")).to_have_count(1)
    # Not of the empty room, which she has read too.
    deadline = time.monotonic() + 20
    while not any('"chat.read","seq":1' in frame for frame in told):
        assert time.monotonic() < deadline
        alice.wait_for_timeout(50)
    alice.goto("/chat/lobby/")
    wait_until_connected(alice)
    link = alice.locator(f'room-list a[href="/chat/{room}/"]')
    expect(link).not_to_have_class(re.compile("unread"))
    other.close()  # it would read what comes now
    say(enter(new_context(), room), "after")
    alice.reload()
    expect(link).to_have_class(re.compile("unread"))


def test_an_empty_room_says_what_to_do(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    expect(page.locator(".empty")).to_contain_text("No messages yet")
    say(page, "now somebody has")
    expect(message(page, "now somebody has")).to_have_count(1)
    expect(page.locator(".empty")).to_have_count(0)


def test_two_tabs_of_a_room_keep_two_texts(new_context: NewContext) -> None:
    context, room = new_context(), new_room()
    one, other = enter(context, room), enter(context, room)
    other.fill(INPUT, "half a thought")
    say(one, "sent from here")
    expect(stored(other, "sent from here")).to_have_count(1)
    for page in (one, other):
        page.reload()
        wait_until_connected(page)
    expect(other.locator(INPUT)).to_have_value("half a thought")
    expect(one.locator(INPUT)).to_have_value("")


def test_the_sign_beside_the_title_follows_a_room_that_turns_private(
    new_context: NewContext,
) -> None:
    context = new_context()
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    signs = {kind: page.locator(f".talk-title .kind.{kind}") for kind in ("open", "private")}
    for kind, other in (("private", "open"), ("open", "private")):
        room = {"id": 1, "slug": "x", "title": "", "topic": "", "kind": kind}
        tell({"type": "room.updated", "room": room})
        expect(signs[kind]).to_be_visible()
        expect(signs[other]).to_be_hidden()


def test_a_title_is_shown_as_it_is(new_context: NewContext) -> None:
    context, title = new_context(), "Cash $& Carry $' $1"
    tell = told_by_the_server(context)
    page = enter(context, new_room())
    room = {"id": 1, "slug": "x", "title": title, "topic": "", "kind": "open"}
    tell({"type": "room.updated", "room": room})
    expect(page.locator("#room-title")).to_have_text(title)
    expect(page).to_have_title(re.compile(f"^{re.escape(title)} · "))


def test_a_room_that_is_called_as_another_shows_its_address(
    new_context: NewContext, server: ChatServer
) -> None:
    one, other, moved = new_room(), new_room(), new_room()
    server.manage(
        *("shell", "--no-imports", "-c"),
        "from chat.models import Membership, Room\nfrom core.models import User\n"
        f"for slug in ('{one}', '{other}'):\n"
        "    room = Room.objects.create(slug=slug, title='The garden')\n"
        "    Membership.objects.create(room=room, user=User.objects.get(username='alice'))",
    )
    page = sign_in(new_context(), "alice", one)
    expect(page.locator("#room-title")).to_have_text("The garden")
    expect(page.locator("#room-address")).to_have_text(one)
    expect(page).to_have_title(f"The garden ({one}) · Chat")
    move = f"from chat.models import Room; r = Room.objects.get(slug='{one}'); r.slug = '{moved}'"
    server.manage("shell", "--no-imports", "-c", f"{move}; r.save()")
    expect(page).to_have_title(f"The garden ({moved}) · Chat")
    expect(page.locator("#room-address")).to_have_text(moved)
