"""What people do on a room's page, in the words of the tests."""

import time
from uuid import uuid4

from playwright.sync_api import BrowserContext, Locator, Page, expect

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
    page.press(INPUT, "Enter")


def message(page: Page, text: str) -> Locator:
    """The messages that hold this text, drafts included."""
    return page.locator(".message").filter(has=page.locator(".body", has_text=text))


def stored(page: Page, text: str) -> Locator:
    """The messages that hold this text and are confirmed."""
    return page.locator(".message[data-id]").filter(has=page.locator(".body", has_text=text))


def choose(page: Page, text: str, what: str) -> None:
    """Take something from the menu of the message with this text."""
    stored(page, text).hover()
    page.locator(f'message-menu [data-do="{what}"]').click()


def online(page: Page) -> Locator:
    return page.locator("people-list .person")


def until(page: Page, script: str, seconds: float = 10) -> None:
    """Wait until a script is true. (Playwright's own way needs eval, which the page forbids.)"""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, f"not within {seconds} s: {script}"
        page.wait_for_timeout(50)
