"""People whose names look the same, and the marks that no name can contain."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.acting import enter, new_room, say, sign_in, stored, until
from tests.browser.conftest import NewContext
from tests.support.servers import ChatServer

PEOPLE = """
from chat.factories import UserFactory
from chat.models import Membership, Room
from core.models import User

names = {names!r}
for username, name in names.items():
    user = UserFactory(username=username, display_name=name)
    user.set_password("demo")
    user.save()
"""
MAKE = """
from chat.models import Membership
from core.models import User
{script}
"""


def make_people(server: ChatServer, **names: str) -> None:
    server.manage("shell", "--no-imports", "-c", PEOPLE.format(names=names))


def heading(page: Page, text: str) -> Locator:
    return stored(page, text).locator(".heading")


def test_names_that_look_the_same_stand_beside_their_usernames(
    server: ChatServer, new_context: NewContext
) -> None:
    """In the log, in the list, in a quote, and where the first had said it before the second came.
    Takes some seconds: four people come in."""
    room = new_room()
    tag = room[5:]
    make_people(server, **{f"a1{tag}": "Alice", f"a2{tag}": "ALICE", f"a3{tag}": "Аlice"})
    watcher = sign_in(new_context(), "carol", room)
    first = sign_in(new_context(), f"a1{tag}", room)
    say(first, "the first said this")
    expect(heading(watcher, "the first said this")).to_contain_text("Alice")
    expect(heading(watcher, "the first said this").locator(".handle")).to_have_count(0)
    first.close()
    second = sign_in(new_context(), f"a2{tag}", room)
    say(second, "and the second that")
    expect(heading(watcher, "the first said this").locator(".handle")).to_have_text(f"@a1{tag}")
    expect(heading(watcher, "and the second that").locator(".handle")).to_have_text(f"@a2{tag}")
    third = sign_in(new_context(), f"a3{tag}", room)
    person = watcher.locator("people-list .person", has_text="Аlice")
    expect(person.locator(".handle")).to_have_text(f"@a3{tag}")
    third.locator("#chat-message-input").press("h")
    expect(watcher.locator("typing-line")).to_have_text(f"Аlice @a3{tag} is typing…")
    expect(
        watcher.locator("people-list .person", has_text="Carol").locator(".handle")
    ).to_have_count(0)


def test_guests_staff_and_moderators_carry_a_mark(
    server: ChatServer, new_context: NewContext
) -> None:
    """A new moderator is marked at once on open pages. Takes some seconds: four people come in."""
    room = new_room()
    guest = enter(new_context(), room)
    say(guest, "from a guest")
    alice = sign_in(new_context(), "alice", room)
    say(alice, "from alice")
    bob = sign_in(new_context(), "bob", room)
    say(bob, "from bob")
    expect(heading(bob, "from a guest").locator(".badge")).to_have_text("guest")
    expect(heading(bob, "from bob").locator(".badge")).to_have_count(0)
    was = heading(bob, "from alice").locator(".badge")
    expect(was).to_have_count(0)
    role = f"Membership.objects.get(user__username='alice', room__slug={room!r})"
    script = f"member = {role}; member.role = 'moderator'; member.save()"
    server.manage("shell", "--no-imports", "-c", MAKE.format(script=script))
    expect(was).to_have_text("moderator")
    expect(bob.locator("people-list .person", has_text="Alice").locator(".badge")).to_have_text(
        "moderator"
    )
    script = "User.objects.filter(username='bob').update(is_staff=True)"
    server.manage("shell", "--no-imports", "-c", MAKE.format(script=script))
    try:
        bob.reload()
        expect(heading(bob, "from bob").locator(".badge")).to_have_text("staff")
    finally:
        script = "User.objects.filter(username='bob').update(is_staff=False)"
        server.manage("shell", "--no-imports", "-c", MAKE.format(script=script))


def test_a_mark_is_no_text_that_a_name_could_have(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    say(page, "from a guest")
    mark = heading(page, "from a guest").locator(".badge")
    box = "getComputedStyle(document.querySelector('.heading .badge'))"
    expect(mark).to_have_text("guest")
    until(page, f"parseFloat({box}.borderTopWidth) > 0")
    assert page.evaluate("document.querySelector('.heading .name .badge')") is None


def test_a_name_of_office_is_refused_where_it_is_chosen(new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto("/accounts/sign-up/")
    page.fill("#id_username", "moderator7")
    page.fill("#id_display_name", "Moderator ✓")
    page.fill("#id_password1", "a long enough secret")
    page.fill("#id_password2", "a long enough secret")
    page.get_by_role("button", name="Sign up").click()
    said = "staff and moderators are marked by the chat itself"
    expect(page.get_by_role("alert").filter(has_text=said)).to_have_count(2)
    page.fill("#id_username", f"mo-{new_room()}")
    page.fill("#id_display_name", "Mo\u3164")
    page.fill("#id_password1", "a long enough secret")
    page.fill("#id_password2", "a long enough secret")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("alert")).to_have_text("A name cannot contain invisible characters.")
