"""What people write is text, and the page talks to nobody but its server."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.acting import INPUT, enter, new_room, say, sign_in, stored
from tests.browser.conftest import NewContext
from tests.support.servers import ChatServer

ATTACKS = [
    "<img src=x onerror=\"window.hacked = 'img'\">",
    "<script>window.hacked = 'script'</script>",
    "javascript:window.hacked='link'",
    'https://example.org/"onmouseover="window.hacked=1',
    "```\n</code></pre><svg onload=\"window.hacked = 'svg'\">\n```",
    "`<b>code</b>` @<i>name</i>",
    "&lt;b&gt; {{ 7*7 }} ${window.hacked = 'template'}",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_looks_like_html_is_shown_as_it_was_typed(
    new_context: NewContext, attack: str
) -> None:
    room = new_room()
    one, other = enter(new_context(), room), enter(new_context(), room)
    say(one, attack)
    body = other.locator(".message[data-id] .body")
    plain = attack.replace("```\n", "").replace("\n```", "").replace("`", "")
    expect(body).to_have_text(plain)
    assert body.locator("img, script, svg, b, i").count() == 0
    for href in body.locator("a").evaluate_all("links => links.map(a => a.href)"):
        assert href.startswith("https://")
    stored(other, plain[:12]).hover()
    other.locator('message-menu [data-do="reply"]').click()
    other.fill(INPUT, "quoted")
    other.press(INPUT, "Enter")
    expect(stored(one, "quoted").locator(".quote")).to_have_count(1)
    for page in (one, other):
        assert page.evaluate("window.hacked") is None


def test_links_go_out_without_telling_where_from(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    say(page, "see https://example.org/a_(b)?c=d, and http://[::1]:80/x. Not ftp://example.org")
    links = stored(page, "see").locator("a")
    expect(links).to_have_text(["https://example.org/a_(b)?c=d", "http://[::1]:80/x"])
    for link in links.all():
        assert "noopener" in (link.get_attribute("rel") or "")
        assert link.get_attribute("target") == "_blank"


def test_names_are_text_too(new_context: NewContext) -> None:
    context = new_context()
    page = context.new_page()
    page.goto("/accounts/sign-up/")
    page.fill("#id_username", new_room())
    page.fill("#id_display_name", "<b>Bold</b>")
    page.fill("#id_password1", "a long enough secret")
    page.fill("#id_password2", "a long enough secret")
    page.get_by_role("button", name="Sign up").click()
    room = new_room()
    page = enter(context, room)
    say(page, "hello")
    other = enter(new_context(), room)
    expect(stored(other, "hello").locator(".name")).to_have_text("<b>Bold</b>")
    expect(other.locator("people-list")).to_contain_text("<b>Bold</b>")


def test_nothing_is_fetched_from_elsewhere_and_the_console_is_quiet(
    new_context: NewContext, server: ChatServer
) -> None:
    context = new_context()
    hosts: set[str] = set()
    said: list[str] = []
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    context.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
    page = sign_in(context, "carol", "lobby")
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).netloc))
    say(page, "look at https://example.org/picture.png")
    stored(page, "picture.png").hover()
    page.reload()
    expect(stored(page, "picture.png")).to_have_count(1)
    page.goto("/chat/")
    page.goto("/accounts/sign-up/")
    page.goto("/accounts/sign-in/")
    assert hosts == {urlsplit(server.url).netloc}
    assert said == []
