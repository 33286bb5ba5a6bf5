"""The server goes away and comes back; nothing that was written is lost or doubled."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.acting import (
    INPUT,
    choose,
    enter,
    leave_unsent,
    new_room,
    say,
    stored,
    until,
    wait_until_connected,
)
from tests.browser.conftest import NewContext
from tests.conftest import StartServer

UNSENT = "Object.keys(localStorage).filter(key => key.includes(':unsent:')).length"


def notices_that_it_is_alone(page: Page) -> None:
    expect(page.locator("connection-state")).to_contain_text("Reconnecting", timeout=15_000)
    expect(page.locator("connection-state .seconds")).to_have_text(re.compile(r"in \d+ s"))


def test_unsent_messages_arrive_once_and_in_order(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    room = new_room()
    one = enter(new_context(base_url=server.url), room)
    other = enter(new_context(base_url=server.url), room)
    say(one, "before")
    expect(stored(other, "before")).to_have_count(1)
    server.kill()
    notices_that_it_is_alone(one)
    say(one, "first away")
    say(one, "second away")
    expect(one.locator(".draft")).to_have_count(2)
    expect(one.locator(INPUT)).to_have_value("")
    assert one.evaluate(UNSENT) == 2
    server.start()
    if one.locator("connection-state button").is_visible():
        one.locator("connection-state button").click()
    for page in (one, other):
        expect(stored(page, "away")).to_have_count(2, timeout=40_000)
        expect(page.locator(".draft")).to_have_count(0)
    assert one.evaluate(UNSENT) == 0
    other.reload()
    expect(other.locator(".message[data-id] .body")).to_have_text(
        ["before", "first away", "second away"]
    )


def test_unsent_messages_outlive_their_tab(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    room = new_room()
    context = new_context(base_url=server.url)
    page = enter(context, room)
    server.kill()
    notices_that_it_is_alone(page)
    say(page, "written in a tab that closed")
    page.close()
    server.start()
    back = enter(context, room)
    expect(stored(back, "written in a tab that closed")).to_have_count(1)
    back.reload()
    expect(stored(back, "written in a tab that closed")).to_have_count(1)
    assert back.evaluate(UNSENT) == 0


def test_what_was_missed_comes_without_a_reload(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    room = new_room()
    sleeper = enter(new_context(base_url=server.url), room)
    other = enter(new_context(base_url=server.url), room)
    say(other, "before")
    expect(stored(sleeper, "before")).to_have_count(1)
    sleeper.evaluate("window.stayed = true")
    sleeper.context.set_offline(True)
    server.kill()  # Chromium leaves open sockets alone when it goes offline
    expect(sleeper.locator("connection-state")).to_contain_text("offline", timeout=15_000)
    expect(sleeper.get_by_role("button", name="Try now")).to_be_visible()
    server.start()
    wait_until_connected(other)
    other.press(INPUT, "ArrowUp")
    other.fill(INPUT, "before, edited")
    other.press(INPUT, "Enter")
    say(other, "meanwhile")
    expect(stored(other, "meanwhile")).to_have_count(1)
    sleeper.context.set_offline(False)
    wait_until_connected(sleeper)
    expect(sleeper.locator(".message[data-id] .body")).to_have_text(
        [re.compile("before, edited"), "meanwhile"]
    )
    assert sleeper.evaluate("window.stayed")


def test_a_server_that_leaves_is_come_back_to(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    page = enter(new_context(base_url=server.url), new_room())
    server.stop()
    say(page, "kept")
    server.start()
    expect(stored(page, "kept")).to_have_count(1, timeout=40_000)


def test_an_edit_that_cannot_be_saved_stays_in_the_box(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    page = enter(new_context(base_url=server.url), new_room())
    say(page, "as it was")
    expect(stored(page, "as it was")).to_have_count(1)
    server.kill()
    notices_that_it_is_alone(page)
    page.press(INPUT, "ArrowUp")
    page.fill(INPUT, "as it should be")
    page.press(INPUT, "Enter")
    expect(page.locator(".note")).to_contain_text("Not connected")
    expect(page.locator(INPUT)).to_have_value("as it should be")
    server.start()
    wait_until_connected(page)
    page.press(INPUT, "Enter")
    expect(stored(page, "as it should be")).to_have_count(1)


@pytest.mark.parametrize("meanwhile", ["nothing", "a message", "an edit"])
def test_a_refused_edit_does_not_push_aside_what_is_being_written(
    new_context: NewContext, meanwhile: str
) -> None:
    context = new_context()
    refs: list[str] = []
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        sockets.append(socket)

        def asked(frame: str | bytes) -> None:
            told = json.loads(frame)
            if told["type"] == "chat.edit":
                refs.append(told["ref"])
            else:
                server.send(frame)

        socket.on_message(asked)
        server.on_message(socket.send)

    context.route_web_socket("**/ws/chat/**", between)
    page = enter(context, new_room())
    for text in ("one", "two"):
        say(page, text)
        expect(stored(page, text)).to_have_count(1)
    choose(page, "one", "edit")
    page.fill(INPUT, "one, edited")
    page.press(INPUT, "Enter")
    if meanwhile == "an edit":
        choose(page, "two", "edit")
    if meanwhile != "nothing":
        page.fill(INPUT, "meanwhile")
    until(page, "true")
    error = {"type": "error", "code": "muted", "detail": "Not now.", "ref": refs[0]}
    sockets[0].send(json.dumps(error))
    expect(page.locator(".note")).to_have_text("Not now.")
    if meanwhile != "nothing":
        expect(page.locator(INPUT)).to_have_value("meanwhile")
        page.get_by_role("button", name="Continue editing").click()
    expect(page.locator(INPUT)).to_have_value("one, edited")
    expect(page.locator(".mode")).to_contain_text("Editing: one")
    if meanwhile == "a message":
        page.press(INPUT, "Escape")
        expect(page.locator(INPUT)).to_have_value("meanwhile")
    if meanwhile == "an edit":  # the two change places
        page.get_by_role("button", name="Continue editing").click()
        expect(page.locator(INPUT)).to_have_value("meanwhile")
        expect(page.locator(".unsaved")).to_contain_text("one, edited")


def test_a_message_that_had_arrived_after_all_is_unsent_no_more(new_context: NewContext) -> None:
    context, room = new_context(), new_room()
    page = context.new_page()
    sent: list[dict[str, Any]] = []
    page.on(
        "websocket", lambda socket: socket.on("framesent", lambda f: sent.append(json.loads(f)))
    )
    page.goto(f"/chat/{room}/")
    wait_until_connected(page)
    for text in ("long ago", "just now"):
        say(page, text)
        expect(stored(page, text)).to_have_count(1)
    old = next(frame for frame in sent if frame.get("message") == "long ago")
    leave_unsent(page, old["client_id"], "long ago")
    page.close()

    def newest_only(socket: WebSocketRoute, frame: str | bytes) -> None:
        for told in map(json.loads, str(frame).splitlines()):
            if told["type"] == "chat.history":
                told.update(messages=told["messages"][-1:], more=True)
            if "ref" not in told:  # and no older ones
                socket.send(json.dumps(told))

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda frame: newest_only(socket, frame))

    context.route_web_socket("**/ws/chat/**", between)
    back = enter(context, room)
    expect(back.locator(".message .body")).to_have_text(["just now"])
    assert back.evaluate(UNSENT) == 0
