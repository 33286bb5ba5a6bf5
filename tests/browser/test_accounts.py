"""Signing up, in and out, as a person does."""

from playwright.sync_api import expect

from tests.browser.acting import enter, new_room, online, say, sign_in, stored, wait_until_connected
from tests.browser.conftest import NewContext
from tests.conftest import StartServer

PASSWORD = "a long enough secret"


def test_a_guest_signs_up_and_keeps_what_they_said(new_context: NewContext) -> None:
    room = new_room()
    page = enter(new_context(), room)
    say(page, "said as a guest")
    expect(stored(page, "said as a guest")).to_have_count(1)
    page.get_by_role("link", name="Sign up").click()
    page.fill("#id_username", room)
    page.fill("#id_display_name", "Dora Maar")
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(f"**/chat/{room}/")
    wait_until_connected(page)
    expect(stored(page, "said as a guest").locator(".name")).to_have_text("Dora Maar")
    expect(stored(page, "said as a guest").locator(".tag")).to_have_text("you")
    expect(page.locator(".account-name")).to_have_text("Dora Maar")


def test_signing_up_out_and_in_again(new_context: NewContext) -> None:
    name = new_room()
    page = new_context().new_page()
    page.goto("/accounts/sign-up/")
    page.fill("#id_username", name)
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD + "?")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("alert")).to_contain_text("match")
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.locator(".account-name")).to_have_text(name)
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator(".account-name")).to_have_count(0)
    page.get_by_role("link", name="Sign in").click()
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".account-name")).to_have_text(name)


def test_without_guests_a_room_asks_to_sign_in_first(
    start_server: StartServer, new_context: NewContext
) -> None:
    server = start_server(env={"CHAT_GUESTS": "off"})
    context = new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/chat/lobby/")
    page.wait_for_url("**/accounts/sign-in/?next=/chat/lobby/")
    page = sign_in(context, "alice", "lobby")
    expect(online(page)).to_contain_text(["Alice"])
