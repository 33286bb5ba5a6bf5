"""A room gets another address while its page is open, or goes and is opened anew."""

import re

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.acting import INPUT, enter, leave_unsent, message, new_room, say, stored, until
from tests.browser.conftest import NewContext
from tests.conftest import StartServer
from tests.support.servers import ChatServer

MOVE = "room = Room.objects.get(slug='{}'); room.slug = '{}'; room.save()"
UNSENT = "Object.keys(localStorage).filter(key => key.includes(':unsent:')).length"


def in_a_shell(server: ChatServer, script: str) -> None:
    server.manage("shell", "--no-imports", "-c", f"from chat.models import Room; {script}")


def at(page: Page, slug: str) -> None:
    expect(page).to_have_url(re.compile(f"/chat/{slug}/$"))


def test_an_open_page_follows_its_room_and_what_was_not_sent_does_too(
    new_context: NewContext, server: ChatServer
) -> None:
    context, old, new = new_context(), new_room(), new_room()
    sockets: list[WebSocketRoute] = []
    connects: list[str] = []

    def between(socket: WebSocketRoute) -> None:
        connects.append(socket.url)
        sockets.append(socket)
        socket.connect_to_server()

    context.route_web_socket("**/ws/chat/**", between)
    page = enter(context, old)
    say(page, "hello")
    expect(stored(page, "hello")).to_have_count(1)
    page.fill(INPUT, "half a thought")
    in_a_shell(server, MOVE.format(old, new))
    at(page, new)
    expect(page.locator(INPUT)).to_have_value("half a thought")
    sockets[-1].close(code=1000)
    until(page, f"document.getElementById('room').dataset.slug === '{new}'")
    say(page, "and on")
    expect(stored(page, "and on")).to_have_count(1, timeout=15_000)
    assert f"/ws/chat/{new}/?since=1" in connects[-1]
    page.fill(INPUT, "another half")
    leave_unsent(page, "5b5c6c2e-6f5e-4a5e-9d1c-0e6f0c0b7f11", "left behind")
    page.close()
    page = context.new_page()
    page.goto(f"/chat/{old}/")  # a bookmark
    at(page, new)
    expect(stored(page, "left behind")).to_have_count(1)
    expect(page.locator(INPUT)).to_have_value("another half")
    assert page.evaluate(UNSENT) == 0


def test_what_pages_of_before_kept_by_the_address_is_taken_over(
    new_context: NewContext, server: ChatServer
) -> None:
    context, room = new_context(), new_room()
    page = enter(context, room)
    page.evaluate(
        """() => {
          const {slug, userId} = document.getElementById("room").dataset;
          const draft = {client_id: crypto.randomUUID(), message: "left behind", at: 1};
          const key = `chat:unsent:${slug}:${userId}:${draft.client_id}`;
          localStorage.setItem(key, JSON.stringify(draft));
          localStorage.setItem(`chat:draft:${slug}:${userId}`, "half a thought");
        }"""
    )
    page.close()
    page = enter(context, room)
    expect(stored(page, "left behind")).to_have_count(1)
    expect(page.locator(INPUT)).to_have_value("half a thought")
    assert page.evaluate(UNSENT) == 0


def test_what_pages_of_before_kept_by_an_address_of_before_is_taken_over(
    new_context: NewContext, server: ChatServer
) -> None:
    """Others' stay, and so does what was written for a room that is none any more."""
    context, room, other = new_context(), new_room(), new_room()
    page = enter(context, room)
    say(page, "hello")  # else its address would be free again
    expect(stored(page, "hello")).to_have_count(1)
    page.evaluate(
        """(slugs) => {
          const user = document.getElementById("room").dataset.userId;
          for (const slug of slugs) {
            const draft = {client_id: crypto.randomUUID(), message: `for ${slug}`, at: 1};
            localStorage.setItem(`chat:unsent:${slug}:${user}:${draft.client_id}`,
                                 JSON.stringify(draft));
            localStorage.setItem(`chat:draft:${slug}:${user}`, `half for ${slug}`);
          }
        }""",
        [room, other],
    )
    page.close()
    new = f"{room}-new"
    in_a_shell(server, MOVE.format(room, new))
    page = enter(context, new)
    expect(stored(page, f"for {room}")).to_have_count(1)
    expect(page.locator(INPUT)).to_have_value(f"half for {room}")
    expect(message(page, f"for {other}")).to_have_count(0)
    assert page.evaluate(UNSENT) == 1
    page.reload()
    expect(stored(page, f"for {room}")).to_have_count(1)


def test_a_page_in_a_room_that_went_opens_it_again_and_sends_what_was_written(
    new_context: NewContext, server: ChatServer
) -> None:
    context, room = new_context(), new_room()
    page = enter(context, room)
    before = page.locator("#room").get_attribute("data-room-id")
    in_a_shell(server, f"Room.objects.filter(slug='{room}').delete()")
    say(page, "is anybody here")
    expect(stored(page, "is anybody here")).to_have_count(1, timeout=20_000)
    expect(message(page, "is anybody here")).to_have_count(1)
    assert page.locator("#room").get_attribute("data-room-id") != before
    page.fill(INPUT, "half a thought")
    assert page.evaluate(UNSENT) == 0
    page.reload()
    expect(stored(page, "is anybody here")).to_have_count(1)
    expect(page.locator(INPUT)).to_have_value("half a thought")


def test_an_address_where_nothing_is_says_so(page: Page) -> None:
    answer = page.goto("/chat/private--7k2m9p4q8r3s6t5v/")
    assert answer
    assert answer.status == 404
    expect(page.get_by_role("heading")).to_have_text("Room not found")
    page.get_by_role("link", name="All rooms").click()
    expect(page.locator("#room-name-help")).to_contain_text("it is created")


def test_who_may_open_no_room_is_not_offered_one(
    start_server: StartServer, new_context: NewContext
) -> None:
    """Starts a server of its own, for another setting."""
    server = start_server(env={"CHAT_NEW_ROOMS": "moderators"})
    page = new_context(base_url=server.url).new_page()
    page.goto("/chat/")
    words = page.locator("#room-name-help")
    expect(words).to_have_text("Type a name and press Enter.")
    page.fill("#room-name-input", "nowhere")
    expect(words).to_have_text("No room has that name.")
    page.press("#room-name-input", "Enter")
    expect(page.get_by_role("heading")).to_have_text("Room not found")
