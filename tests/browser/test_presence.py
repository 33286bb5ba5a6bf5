"""Who is here, who types and who does not want to be seen, between real windows."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.acting import (
    INPUT,
    enter,
    enter_listed,
    new_room,
    online,
    say,
    sign_in,
    stored,
    told_by_the_server,
    until,
)
from tests.browser.conftest import NewContext
from tests.browser.test_axe import flaws
from tests.browser.test_looks import DESK, PHONE, WIDEST
from tests.conftest import StartServer
from tests.support.servers import ChatServer

# The demo has a direct room of Alice and Bob.
LONG_AGO = """
from chat.models import Room
from core.models import User

User.objects.filter(username="bob").update(last_seen_at="2020-01-01T00:00Z")
print(Room.objects.get(kind="direct", direct_low__username="alice").slug)
"""


def direct_room(server: ChatServer) -> str:
    """The address of the direct room of Alice and Bob. Bob was last seen years ago."""
    return server.manage("shell", "--no-imports", "-c", LONG_AGO).strip()


@pytest.fixture
def hasty(start_server: StartServer, new_context: NewContext) -> tuple[ChatServer, Any]:
    """A server that does not wait for those who left to come back, and its windows."""
    server = start_server(env={"PRESENCE_GRACE_SECONDS": "0.2"})
    return server, lambda **options: new_context(base_url=server.url, **options)


def with_clock(context: BrowserContext) -> BrowserContext:
    """Its pages' time can be moved on."""
    context.clock.install()
    return context


def later(page: Page) -> None:
    """The lists are fetched anew."""
    page.clock.fast_forward(26_000)


def name_of(page: Page) -> str:
    return page.locator(".account-name").inner_text()


def switch(page: Page) -> Any:
    return page.get_by_role("switch", name="Invisible")


def test_the_lists_count_who_is_in_a_room(hasty: tuple[ChatServer, Any]) -> None:
    _, new_window = hasty
    room = new_room()
    one = enter_listed(new_window(), room)
    lists = with_clock(new_window()).new_page()
    lists.goto("/chat/")
    card = lists.locator("[data-room]", has_text=room)
    expect(card).to_contain_text("1 online")
    context = new_window()
    other = enter(context, room)
    for page in (one, other):  # a room's own page knows at once
        expect(page.locator("room-list [aria-current] .here")).to_have_text(", 2 online")
    later(lists)
    expect(card).to_contain_text("2 online")
    context.close()
    expect(one.locator("room-list [aria-current] .here")).to_have_text(", 1 online")
    later(lists)
    expect(card).to_contain_text("1 online")


def test_one_sees_how_many_are_in_one_s_other_rooms(new_context: NewContext) -> None:
    quiet, lively = new_room(), new_room()
    context = with_clock(new_context())
    enter_listed(context, lively).close()
    page = enter(context, quiet)
    enter(new_context(), lively), enter(new_context(), lively)
    later(page)
    line = page.locator("room-list li", has_text=lively)
    expect(line.locator(".here-count")).to_have_text(re.compile("^[23]$"))  # 3 in the grace


def test_a_direct_room_shows_whether_the_other_is_there(hasty: tuple[ChatServer, Any]) -> None:
    server, new_window = hasty
    slug = direct_room(server)
    alice = sign_in(with_clock(new_window()), "alice", slug)
    line = alice.locator("room-list li", has_text="Bob")
    expect(alice.locator("#room-other")).to_have_text(re.compile(r"^last seen \d+\syears ago$"))
    expect(line).to_contain_text(re.compile(r"years ago"))
    short = line.locator(".here")
    expect(short).to_have_text(re.compile(r"^\d+\sy$"))
    assert short.evaluate("e => e.scrollWidth <= e.clientWidth")
    expect(line.locator(".online-dot")).to_have_count(0)
    bob = sign_in(new_window(), "bob", "lobby")  # another room
    later(alice)
    expect(alice.locator("#room-other")).to_have_text("online")
    expect(line.locator(".online-dot")).to_be_visible()
    expect(line).to_contain_text("online")
    switch(bob).click()
    expect(switch(bob)).to_be_checked()
    later(alice)
    expect(alice.locator("#room-other")).to_be_hidden()  # and not "last seen"
    expect(line.locator(".online-dot")).to_have_count(0)
    expect(line).not_to_contain_text("ago")
    switch(bob).click()
    expect(switch(bob)).not_to_be_checked()
    # His server looks first whether that is what he wants, and Alice's list asks now and then.
    for _ in range(20):
        later(alice)
        alice.wait_for_timeout(100)
        if alice.locator("#room-other").inner_text() == "online":
            break
    expect(alice.locator("#room-other")).to_have_text("online")
    bob.close()
    until_fresh(alice, "#room-other", re.compile("^last seen "))


def until_fresh(page: Page, selector: str, text: re.Pattern[str]) -> None:
    """Wait for what the server knows in a moment."""
    for _ in range(40):
        later(page)
        page.wait_for_timeout(250)
        if text.search(page.locator(selector).inner_text()):
            break
    expect(page.locator(selector)).to_have_text(text)


class TestInvisible:
    def test_others_see_one_leave_and_come(self, new_context: NewContext) -> None:
        room = new_room()
        me, other = enter(new_context(), room), enter(new_context(), room)
        expect(online(other)).to_have_count(2)
        expect(me.locator("#invisible-note")).to_be_hidden()
        switch(me).click()
        expect(online(other)).to_have_count(1)
        expect(other.locator("people-list")).not_to_contain_text(name_of(me))
        expect(switch(me)).to_be_checked()
        expect(online(me)).to_have_count(1)
        expect(me.locator("#invisible-note")).to_be_visible()
        me.locator(INPUT).press_sequentially("nobody sees me type")
        me.press(INPUT, "Enter")
        expect(stored(other, "nobody sees me type")).to_have_count(1)
        me.reload()
        expect(switch(me)).to_be_checked()
        expect(me.locator("#invisible-note")).to_be_visible()
        switch(me).press("Space")
        expect(online(other)).to_have_count(2)
        expect(switch(me)).not_to_be_checked()
        expect(me.locator("#invisible-note")).to_be_hidden()

    def test_one_s_other_tabs_know_it_soon(self, new_context: NewContext) -> None:
        context = with_clock(new_context())
        one = enter(context, new_room())
        two = enter(context, new_room())
        switch(one).click()
        expect(switch(one)).to_be_checked()
        later(two)
        expect(switch(two)).to_be_checked()
        expect(two.locator("#invisible-note")).to_be_visible()

    def test_older_messages_do_not_bring_the_old_choice_back(self, new_context: NewContext) -> None:
        page = enter(new_context(), new_room())
        for n in range(3):
            say(page, f"line {n}")
        switch(page).click()
        expect(switch(page)).to_be_checked()
        page.context.set_offline(True)
        page.context.set_offline(False)  # it asks whether the connection lives
        say(page, "once more")
        expect(stored(page, "once more")).to_have_count(1)
        expect(switch(page)).to_be_checked()

    def test_what_fails_is_said(self, new_context: NewContext) -> None:
        page = enter(new_context(), new_room())
        page.route("**/chat/visibility/", lambda route: route.fulfill(status=500))
        switch(page).click()
        expect(page.locator(".visibility-note")).to_contain_text("Something went wrong")
        expect(switch(page)).not_to_be_checked()

    def test_it_needs_no_script(self, new_context: NewContext) -> None:
        room = new_room()
        page = new_context(java_script_enabled=False).new_page()
        page.goto(f"/chat/{room}/")
        switch(page).click()
        page.wait_for_url(f"**/chat/{room}/")
        expect(switch(page)).to_be_checked()
        page.goto("/chat/")
        switch(page).click()
        expect(switch(page)).not_to_be_checked()
        page.wait_for_url("**/chat/")

    # Axe takes a second of the processor for a page.
    @pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
    def test_everybody_can_use_it(
        self, new_context: NewContext, server: ChatServer, size: Any
    ) -> None:
        slug = direct_room(server) if size is DESK else "lobby"
        enter(new_context(), "lobby")
        page = sign_in(new_context(**size, reduced_motion="reduce"), "alice", slug)
        if size is PHONE:
            page.get_by_role("button", name="Rooms").click()
        switch(page).click()
        expect(switch(page)).to_be_checked()
        assert flaws(page) == []
        assert page.evaluate(WIDEST) <= page.evaluate("innerWidth")
        page.goto("/chat/")
        expect(page.locator(".room-card-here").first).to_be_visible()
        assert flaws(page) == []
        assert page.evaluate(WIDEST) <= page.evaluate("innerWidth")
        switch(page).click()  # for the next one
        expect(switch(page)).not_to_be_checked()


class TestTyping:
    def test_the_names_of_those_who_type(self, new_context: NewContext) -> None:
        room = new_room()
        watcher, *typists = [enter(new_context(), room) for _ in range(3)]
        names = []
        for typist in typists:
            typist.locator(INPUT).press("h")
            names.append(name_of(typist))
            line = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} typing…"
            expect(watcher.locator("typing-line")).to_have_text(line)
        expect(typists[0].locator("typing-line")).to_have_text(f"{names[1]} is typing…")

    def test_up_to_three_are_named(self, new_context: NewContext) -> None:
        page = new_context()
        page.clock.install()
        tell = told_by_the_server(page)
        page = enter(page, new_room())
        page.clock.pause_at(2_000_000_000_000)
        line = page.locator("typing-line span")
        for number, text in enumerate(
            [
                "A is typing…",
                "A and B are typing…",
                "A, B and C are typing…",
                "Several people are typing…",
            ]
        ):
            tell({"type": "chat.typing", "user": {"id": 9_000 + number, "name": "ABCD"[number]}})
            expect(line).to_have_text(text)
        page.clock.run_for(4_000)
        expect(line).to_have_text("Several people are typing…")
        page.clock.run_for(1_500)
        expect(line).to_have_text("")

    def test_it_is_told_once_in_three_seconds(self, new_context: NewContext) -> None:
        context = with_clock(new_context())
        page = context.new_page()
        sent: list[str] = []
        page.on(
            "websocket",
            lambda socket: socket.on(
                "framesent", lambda data: sent.append(json.loads(data)["type"])
            ),
        )
        page.goto(f"/chat/{new_room()}/")
        until(page, "document.querySelector('connection-state').hidden")
        expect(page.locator("#chat-log .edge-row")).to_be_attached()
        page.clock.pause_at(2_000_000_000_000)
        page.locator(INPUT).press_sequentially("one")
        say(page, "one")
        page.locator(INPUT).press_sequentially("two")
        say(page, "two")
        expect(stored(page, "two")).to_have_count(1)
        assert sent.count("chat.typing") == 1
        page.clock.run_for(3_400)
        page.locator(INPUT).press_sequentially("three")
        say(page, "three")
        expect(stored(page, "three")).to_have_count(1)
        assert sent.count("chat.typing") == 2


class TestCrowd:
    def test_a_hundred_are_named_and_the_rest_counted(self, new_context: NewContext) -> None:
        context = new_context()
        tell = told_by_the_server(context)
        page = enter_listed(context, new_room())
        people = [{"id": 9_000 + n, "name": f"Person {n:03}"} for n in range(100)]
        tell(
            {
                "type": "presence.state",
                "users": people,
                "online": 1200,
                "version": 9e15,
                "more": True,
            }
        )
        expect(online(page)).to_have_count(101)
        expect(online(page).last).to_have_text("and 1,100 more")
        expect(page.locator("people-list .count")).to_have_text("1,200")
        expect(page.locator("room-list [aria-current] .here")).to_have_text(", 1,200 online")
        came = {"id": 9_500, "name": "Aaron"}
        change = {"joined": [came], "left": [people[0]]}
        tell({"type": "presence.count", "online": 1251, "version": 9e15 + 60, **change})
        expect(online(page).last).to_have_text("and 1,151 more")
        expect(online(page).first).to_contain_text("Aaron")
        expect(page.locator("people-list")).not_to_contain_text("Person 000")
        tell({"type": "presence.count", "online": 3, "version": 9e15 + 60})  # is old
        tell({"type": "presence.count", "online": 1252, "version": 9e15 + 61})
        expect(page.locator("people-list .count")).to_have_text("1,252")
        tell({"type": "presence.state", "users": people[:2], "online": 2, "version": 9e15 + 70})
        expect(online(page)).to_have_count(2)

    def test_a_real_one_shows_everybody_the_same(
        self, start_server: StartServer, new_context: NewContext
    ) -> None:
        env = {"PRESENCE_LIST_MAX": "2", "PRESENCE_SHOWN": "2", "PRESENCE_COUNT_SECONDS": "0.2"}
        server = start_server(env={**env, "PRESENCE_GRACE_SECONDS": "0.2"})
        room = new_room()
        contexts = [new_context(base_url=server.url) for _ in range(4)]
        pages = [enter(context, room) for context in contexts]
        for page in pages:
            expect(page.locator("people-list .count")).to_have_text("4")
            expect(online(page)).to_have_count(3)
            expect(online(page).last).to_have_text("and 2 more")
        contexts[0].close()
        for page in pages[1:]:
            expect(online(page).last).to_have_text("and 1 more")
        lists = {" ".join(online(page).all_inner_texts()).replace("you", "") for page in pages[1:]}
        assert len({" ".join(sorted(each.split())) for each in lists}) == 1
        contexts[1].close()
        for page in pages[2:]:
            expect(online(page)).to_have_count(2)
            expect(page.locator("people-list .count")).to_have_text("2")
