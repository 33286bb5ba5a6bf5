"""The admin's pages, with Django's own scripts: what they need is on every page."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext
from tests.support.servers import ChatServer

PAGES_LEAST, PAGES_MAX = 40, 150
MAKE_BOSS = """
from core.models import User
from chat.factories import MessageFactory, RoomFactory, UserFactory
from chat.models import AuditEntry, Room, Sanction
UserFactory(username="boss", password="demo", is_staff=True, is_superuser=True)
MessageFactory(edited=True, reacted=True, deleted=True)
MessageFactory(reply=True)
RoomFactory(private=True)
RoomFactory(direct=True)
Sanction.objects.create(user=UserFactory(), room=Room.objects.first(), kind="mute")
AuditEntry.objects.create(actor_name="x", action="y")
"""


@pytest.fixture(scope="module")
def filled(server: ChatServer) -> ChatServer:
    """The server, with a row in every list, and a superuser."""
    server.manage("shell", "--verbosity=0", "--command", MAKE_BOSS)
    return server


def signed_in(context: BrowserContext, name: str) -> Page:
    page = context.new_page()
    page.goto("/accounts/sign-in/?next=/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", "demo")
    page.click("form.stack button")
    page.wait_for_url("**/admin/")
    return page


def links_of(page: Page) -> Iterator[str]:
    for href in page.locator("a[href]").evaluate_all("all => all.map(a => a.href)"):
        link = urlsplit(href)
        if link.path.startswith("/admin/") and "_changelist_filters" not in link.query:
            yield link._replace(scheme="", netloc="", fragment="").geturl()


def kind_of(link: str) -> tuple[str, ...]:
    """The same for each row of a list, and for each value of a filter."""
    parts = urlsplit(link)
    return re.sub(r"\d+", "N", parts.path), *sorted(dict(parse_qsl(parts.query)))


@pytest.mark.parametrize("name", ["mod", pytest.param("boss", marks=pytest.mark.long)])
def test_no_page_of_the_admin_has_a_script_that_fails(
    new_context: NewContext, filled: ChatServer, name: str
) -> None:
    """Walks from the first page over lists, filters and forms. (Slow: some sixty pages each.)"""
    context = new_context()
    said: list[str] = []
    page = signed_in(context, name)
    page.on("pageerror", lambda error: said.append(f"{page.url} {error}"))
    page.on(
        "console",
        lambda line: (
            said.append(f"{page.url} {line.type}: {line.text}")
            if line.type in ("error", "warning")
            else None
        ),
    )
    waiting, seen = ["/admin/"], {kind_of("/admin/")}
    visited = 0
    while waiting and visited < PAGES_MAX:
        page.goto(waiting.pop(0))
        visited += 1
        for link in links_of(page):
            if kind_of(link) not in seen:
                seen.add(kind_of(link))
                waiting.append(link)
    assert said == []
    lists = {"room", "message", "membership", "sanction", "auditentry"}
    assert {f"/admin/chat/{each}/" for each in lists} <= {path for path, *_ in seen}
    assert visited > PAGES_LEAST
    assert not waiting, "there are more pages than this test looks at"


def test_messages_are_chosen_by_a_counter_and_all_of_a_page_at_most(
    new_context: NewContext, filled: ChatServer
) -> None:
    page = signed_in(new_context(), "mod")
    page.goto("/admin/chat/message/")
    counter = page.locator(".action-counter")
    rows = page.locator("#result_list .action-select").count()
    assert rows > 1
    expect(counter).to_have_text(f"0 of {rows} selected")
    page.check("#action-toggle")
    expect(counter).to_have_text(f"{rows} of {rows} selected")
    expect(page.locator(".actions .question")).to_have_count(0)
    page.locator("#result_list .action-select").first.uncheck()
    expect(counter).to_have_text(f"{rows - 1} of {rows} selected")
    expect(page.locator("#action-toggle")).not_to_be_checked()
