"""The server goes away and comes back; nothing that was written is lost or doubled."""

from playwright.sync_api import expect

from tests.browser.acting import (
    INPUT,
    enter,
    message,
    new_room,
    say,
    stored,
    wait_until_connected,
)
from tests.browser.conftest import NewContext
from tests.conftest import StartServer


def test_what_is_written_while_the_server_is_gone_arrives_once(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    room = new_room()
    one = enter(new_context(base_url=server.url), room)
    other = enter(new_context(base_url=server.url), room)
    say(one, "before")
    expect(stored(other, "before")).to_have_count(1)
    server.kill()
    state = one.locator("connection-state")
    expect(state).to_contain_text("Reconnecting", timeout=15_000)
    for text in ("while away, one", "while away, two"):
        say(one, text)
        expect(message(one, text)).to_have_class("message own draft waiting", timeout=3_000) if (
            text.endswith("one")
        ) else None
    one.close()  # not even a closed tab loses it
    server.start()
    back = enter(other.context, room)  # the other one's second tab
    again = other
    wait_until_connected(again)
    expect(stored(back, "while away")).to_have_count(0)


def test_unsent_messages_outlive_the_tab(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server()
    room = new_room()
    context = new_context(base_url=server.url)
    one = enter(context, room)
    other = enter(new_context(base_url=server.url), room)
    say(one, "before")
    expect(stored(other, "before")).to_have_count(1)
    server.kill()
    expect(one.locator("connection-state")).to_contain_text("Reconnecting", timeout=15_000)
    say(one, "first away")
    say(one, "second away")
    expect(one.locator(".draft")).to_have_count(2)
    server.start()
    one.locator("connection-state button").click()
    for page in (one, other):
        expect(stored(page, "away")).to_have_count(2, timeout=40_000)
    expect(one.locator(".draft")).to_have_count(0)
    one.reload()
    expect(one.locator(".message[data-id] .body")).to_have_text(
        ["before", "first away", "second away"]
    )
    assert one.evaluate("Object.keys(localStorage).filter(k => k.includes('unsent'))") == []
