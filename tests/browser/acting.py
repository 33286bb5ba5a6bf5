"""What people do on a room's page, in the words of the tests."""

import json
import time
from typing import Any
from uuid import uuid4

from playwright.sync_api import BrowserContext, Locator, Page, WebSocketRoute, expect

INPUT = "#chat-message-input"


def new_room() -> str:
    """The address of a room that nobody has entered."""
    return f"room-{uuid4().hex[:10]}"


def enter(context: BrowserContext, room: str) -> Page:
    """Open a room in a new tab; returns once its scrollback is there."""
    page = context.new_page()
    page.goto(f"/chat/{room}/")
    wait_until_connected(page)
    return page


def sign_in(context: BrowserContext, name: str, room: str) -> Page:
    """Sign in as one of the demo's people and open a room."""
    page = context.new_page()
    page.goto(f"/accounts/sign-in/?next=/chat/{room}/")
    page.fill("#id_username", name)
    page.fill("#id_password", "demo")
    page.click("form.stack button")
    wait_until_connected(page)
    return page


def wait_until_connected(page: Page) -> None:
    expect(page.locator("#chat-log .edge-row")).to_be_attached(timeout=15_000)
    expect(page.locator("connection-state")).to_be_hidden(timeout=30_000)


def say(page: Page, text: str) -> None:
    page.fill(INPUT, text)
    send(page)


def send(page: Page) -> None:
    """With a keyboard on the screen, Enter breaks the line."""
    if page.evaluate("matchMedia('(hover: none)').matches"):
        page.click(".send")
    else:
        page.press(INPUT, "Enter")


def message(page: Page, text: str) -> Locator:
    """The messages that hold this text, drafts included."""
    return page.locator(".message").filter(has=page.locator(".body", has_text=text))


def stored(page: Page, text: str) -> Locator:
    """The messages that hold this text and are confirmed."""
    return page.locator(".message[data-id]").filter(has=page.locator(".body", has_text=text))


def choose(page: Page, text: str, what: str) -> None:
    """Take something from the menu of the message with this text."""
    pointed_at = stored(page, text)
    pointed_at.hover()
    pointed_at.locator(f'message-menu [data-do="{what}"]').click()


def enter_listed(context: BrowserContext, room: str) -> Page:
    """The same in a room that lists show, since something was said in it."""
    page = enter(context, room)
    say(page, "hello")
    expect(stored(page, "hello")).to_have_count(1)
    page.reload()
    wait_until_connected(page)
    return page


def online(page: Page) -> Locator:
    return page.locator("people-list .person")


def until(page: Page, script: str, seconds: float = 10) -> None:
    """Wait until a script is true. (Playwright's own way needs eval, which the page forbids.)"""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, f"not within {seconds} s: {script}"
        page.wait_for_timeout(50)


def hide(page: Page, hidden: bool) -> None:
    """Tell the page that its tab is, or is not, in the background."""
    page.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def told_by_the_server(context: BrowserContext) -> Any:
    """What is called to bring frames of ours to the context's page, beside those of the server."""
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    context.route_web_socket("**/ws/chat/**", between)
    return lambda *frames: sockets[-1].send("\n".join(json.dumps(frame) for frame in frames))


def leave_unsent(page: Page, client_id: str, text: str, **more: Any) -> None:
    """Leave a message as a page that was closed does; the next page of the room finds it."""
    page.evaluate(
        """draft => {
          const {roomId, userId} = document.getElementById("room").dataset;
          const key = `chat:unsent:#${roomId}:${userId}:${draft.client_id}`;
          localStorage.setItem(key, JSON.stringify(draft));
        }""",
        {"client_id": client_id, "message": text, "reply_to": None, "at": 1, **more},
    )


def frame_of(seq: int, text: str, **more: Any) -> dict[str, Any]:
    """A frame with a message by Ann, as the server sends it."""
    return {
        "type": "chat.message",
        "id": 100 + seq,
        "seq": seq,
        "pos": seq,
        "client_id": f"c{seq}",
        "user": {"id": 10**9, "name": "Ann"},  # nobody of the database
        "message": text,
        "created": "2026-11-22T09:30:00Z",
        **more,
    }
