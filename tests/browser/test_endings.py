"""The server says goodbye: the page says why, and comes back only where it may."""

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.acting import INPUT, enter, message, new_room, online, say
from tests.browser.conftest import NewContext
from tests.support.servers import ChatServer


def enter_and_be_closed(
    new_context: NewContext, code: int, *before: str, writing: str = ""
) -> tuple[Page, list[str]]:
    """Enter a room whose server sends these frames and closes; also returns the connects.

    `writing` stands in the box by then. The page's time can be moved on.
    """
    context = new_context()
    context.clock.install()
    room = new_room()
    if writing:
        page = enter(context, room)
        page.fill(INPUT, writing)
        page.close()
    connects: list[str] = []

    def between(socket: WebSocketRoute) -> None:
        connects.append(socket.url)
        server = socket.connect_to_server()
        if len(connects) > 1:
            return

        def passed(frame: str | bytes) -> None:
            socket.send(frame)
            if "presence.state" in str(frame):
                for text in before:
                    socket.send(text)
                socket.close(code=code)

        server.on_message(passed)

    context.route_web_socket("**/ws/chat/**", between)
    page = context.new_page()
    page.goto(f"/chat/{room}/")
    expect(page.locator("#chat-log .edge-row")).to_be_attached()
    return page, connects


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (4400, "The connection was closed."),
        (4401, "You are signed out."),
        (4403, "You were removed from this room."),
        (4404, "This room is no longer available."),
        (4409, "The connection was closed."),
    ],
)
def test_it_stays_away_and_says_why(new_context: NewContext, code: int, words: str) -> None:
    page, connects = enter_and_be_closed(new_context, code)
    state = page.locator("connection-state")
    expect(state.locator(".words")).to_have_text(words)
    back = state.get_by_role("button", name="Reconnect")
    expect(back).to_be_visible(visible=code in (4400, 4409))
    expect(state.get_by_role("link", name="Sign in")).to_be_visible(visible=code == 4401)
    expect(page.locator(INPUT)).not_to_be_editable()
    expect(page.locator(INPUT)).to_have_attribute("placeholder", words)
    page.clock.run_for(120_000)  # four times the longest wait between tries
    assert len(connects) == 1


def test_whom_a_moderator_disconnected_comes_back_by_hand(new_context: NewContext) -> None:
    frame = '{"type": "room.closed", "detail": "A moderator disconnected you."}'
    page, _ = enter_and_be_closed(new_context, 4409, frame, writing="half a thought")
    expect(page.locator("connection-state")).to_contain_text("A moderator disconnected you.")
    page.get_by_role("button", name="Reconnect").click()
    expect(page.locator("connection-state")).to_be_hidden()
    expect(page.locator(INPUT)).to_be_editable()
    expect(page.locator(INPUT)).to_have_value("half a thought")
    expect(online(page)).to_have_count(1)


def test_who_was_turned_out_is_not_shown_who_was_there(new_context: NewContext) -> None:
    page, _ = enter_and_be_closed(new_context, 4403)
    expect(online(page)).to_have_text(["You are no longer connected."])
    expect(page.locator("people-list .count")).to_have_text("–")
    expect(page.locator("#people-button .count")).to_have_text("–")
    expect(page.locator("room-list [aria-current] .here")).to_be_hidden()


def test_who_was_turned_out_is_not_told_that_it_will_be_sent(new_context: NewContext) -> None:
    frame = '{"type": "room.closed", "detail": "You are banned."}'
    page, _ = enter_and_be_closed(new_context, 4403, frame, writing="half a thought")
    box = page.locator(INPUT)
    expect(page.locator("connection-state")).to_contain_text("You are banned.")
    expect(box).to_have_value("half a thought")
    expect(box).not_to_be_editable()
    expect(page.locator("#chat-message-submit")).to_be_disabled()
    box.press("Enter")
    expect(box).to_have_value("half a thought")
    expect(page.locator(".message")).to_have_count(0)
    box.press("Control+A")
    assert page.evaluate("getSelection().toString()") == "half a thought"


def test_what_was_on_its_way_to_a_room_that_turned_one_out_can_be_copied_or_discarded(
    new_context: NewContext,
) -> None:
    context = new_context()
    sockets: list[WebSocketRoute] = []

    def deaf(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        server = socket.connect_to_server()
        socket.on_message(lambda frame: None if "client_id" in str(frame) else server.send(frame))

    context.route_web_socket("**/ws/chat/**", deaf)
    page = enter(context, new_room())
    say(page, "too late")
    expect(message(page, "too late")).to_contain_text("Sending…")
    sockets[0].close(code=4403)
    expect(message(page, "too late")).to_contain_text("You can still copy the text.")
    expect(page.locator(".draft")).not_to_contain_text("when the connection is back")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".draft")).to_have_count(0)
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes(':unsent:'))") == []


def test_it_gives_the_server_s_own_words(new_context: NewContext) -> None:
    frame = '{"type": "room.closed", "detail": "You were banned until Monday."}'
    page, _ = enter_and_be_closed(new_context, 4403, frame)
    expect(page.locator("connection-state")).to_contain_text("You were banned until Monday.")


@pytest.mark.parametrize("code", [4408, 1000, 1011])
def test_it_comes_back_with_its_cursor(new_context: NewContext, code: int) -> None:
    page, connects = enter_and_be_closed(new_context, code)
    say(page, "written in between")
    expect(page.locator(".message[data-id]")).to_have_count(1, timeout=15_000)
    assert "since=" not in connects[0]
    assert "since=0" in connects[1]


def test_too_many_places_are_said_and_waited_for(new_context: NewContext) -> None:
    page, connects = enter_and_be_closed(new_context, 4429)
    expect(page.locator("connection-state")).to_contain_text("open in too many tabs")
    page.clock.run_for(25_000)
    assert len(connects) == 1
    page.locator("connection-state button").click()
    expect(page.locator("connection-state")).to_be_hidden()
    assert len(connects) == 2


def test_who_may_only_read_is_told(new_context: NewContext) -> None:
    context = new_context()

    def muted(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda frame: socket.send(str(frame).replace('"post","react"', "")))

    context.route_web_socket("**/ws/chat/**", muted)
    page = enter(context, new_room())
    expect(page.locator(INPUT)).not_to_be_editable()
    expect(page.locator(INPUT)).to_have_attribute(
        "placeholder", "You can read this room, but you cannot post in it."
    )


def archive(server: ChatServer, room: str, archived: bool) -> None:
    """As somebody does in the admin."""
    script = "from chat.models import Room; room = Room.objects.get(slug='{}'); "
    script += "room.is_archived = {}; room.save()"
    server.manage("shell", "--no-imports", "-c", script.format(room, archived))


def test_a_room_that_is_archived_elsewhere_takes_no_text_until_it_is_opened_again(
    new_context: NewContext, server: ChatServer
) -> None:
    room = new_room()
    page = enter(new_context(), room)
    box = page.locator(INPUT)
    page.fill(INPUT, "half a thought")
    mark = page.locator("#room-archived")
    expect(mark).to_be_hidden()
    archive(server, room, True)
    expect(mark).to_be_visible()
    expect(box).not_to_be_editable()
    expect(page.locator(".why-barred")).to_have_text("This room is archived.")
    expect(page.locator("#chat-message-submit")).to_be_disabled()
    archive(server, room, False)
    expect(box).to_be_editable()
    expect(mark).to_be_hidden()
    expect(page.locator(".why-barred")).to_be_hidden()
    expect(box).to_have_value("half a thought")
    page.press(INPUT, "Enter")
    expect(page.locator(".message[data-id]")).to_have_count(1)


@pytest.mark.parametrize(
    ("code", "failed"), [("muted", True), ("rate_limited", False), ("unavailable", False)]
)
def test_a_refused_message_is_kept_and_tried_again(
    new_context: NewContext, code: str, failed: bool
) -> None:
    context = new_context()
    refusals: list[str] = []

    def refusing(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def asked(frame: str | bytes) -> None:
            if "client_id" in str(frame) and not refusals:
                refusals.append(str(frame))
                client_id = str(frame).split('"client_id":"')[1][:36]
                answer = (
                    f'{{"type": "error", "code": "{code}", "detail": "Not just now.",'
                    f' "client_id": "{client_id}", "retry_after": 1.5}}'
                )
                socket.send(answer)
            else:
                server.send(frame)

        socket.on_message(asked)
        server.on_message(socket.send)

    context.route_web_socket("**/ws/chat/**", refusing)
    page = enter(context, new_room())
    say(page, "hear me")
    expect(page.locator(".draft .detail")).to_have_text("Not just now.")
    if failed:
        page.reload()
        expect(page.locator(".draft .detail")).to_have_text("Not just now.")
        page.get_by_role("button", name="Try again").click()
    expect(page.locator(".message[data-id]")).to_have_count(1)
    expect(page.locator(".draft")).to_have_count(0)
    page.reload()
    expect(page.locator(".message[data-id]")).to_have_count(1)
