"""What somebody writes stays within its message, however it is written."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.acting import choose, enter, frame_of, new_room, say, stored, told_by_the_server
from tests.browser.conftest import NewContext
from tests.browser.modules import run

HEBREW = "שלום עולם"
ZALGO = "Z" + "\u0335\u0321\u0322\u0316\u0353\u0301\u0308\u030a\u0344\u0313" * 12 + "o"
# Each turns what follows around, and does not say where that ends.
TURNS = ["\u202e", "\u202b", "\u2067", "\u2068\u202e", "\u2066\u2067\u202b", "\u2069\u202e"]
TURNS.append("\u202e" * 70)

# Where an element stands beside the text before it in its paragraph, and how it reads.
STANDING = """
    element => {
      const at = (node, from) => {
        const range = document.createRange();
        range.setStart(node, from);
        range.setEnd(node, from + 1);
        return range.getBoundingClientRect();
      };
      const own = element.firstChild, last = own.length - 1;
      const text = document.createRange();
      text.setStart(element.parentElement, 0);
      text.setEndBefore(element);
      return {
        reads: at(own, 0).left < at(own, last).left ? "right" : "left",
        after: element.getBoundingClientRect().left >= text.getBoundingClientRect().right - 1,
      };
    }
"""


def picture(page: Page, row: Locator) -> bytes:
    """All of a row but its outermost pixels, which it may share with its neighbours."""
    box = row.bounding_box()
    assert box
    inner = {"x": box["x"], "y": box["y"] + 1, "width": box["width"], "height": box["height"] - 2}
    return page.screenshot(clip=inner)  # type: ignore[arg-type]


def standing(element: Locator) -> Any:
    return element.evaluate(STANDING)


@pytest.fixture
def told(new_context: NewContext) -> Any:
    context = new_context(viewport={"width": 1280, "height": 800})
    tell = told_by_the_server(context)
    return enter(context, new_room()), tell


def test_no_text_turns_what_stands_behind_it(told: Any) -> None:
    page, tell = told
    edited = {"edited": "2026-11-22T09:31:00Z"}
    for seq, turn in enumerate(TURNS, 1):
        tell(frame_of(seq, f"see {turn}this", **edited))
        tell(frame_of(100 + seq, f"sees {turn}this", kind="action"))
        tell(frame_of(200 + seq, f"called it {turn}this", kind="notice"))
    expect(page.locator(".message")).to_have_count(3 * len(TURNS))
    for mark in [*page.locator(".edited").all(), *page.locator(".is-action time").all()]:
        assert standing(mark) == {"reads": "right", "after": True}
    for mark in page.locator(".is-notice time").all():
        assert standing(mark) == {"reads": "right", "after": True}
    # The same where somebody writes in code.
    tell(frame_of(300, "see `\u2069\u202ethis`", **edited))
    expect(page.locator(".message")).to_have_count(3 * len(TURNS) + 1)
    assert standing(page.locator(".edited").last) == {"reads": "right", "after": True}


def test_what_is_written_from_right_to_left_keeps_its_direction(told: Any) -> None:
    page, tell = told
    edited = {"edited": "2026-11-22T09:31:00Z"}
    tell(frame_of(1, f"{HEBREW} abc", **edited), frame_of(2, f"https://a.example/x {HEBREW}"))
    tell(frame_of(3, f"@ann {HEBREW}"))
    expect(page.locator(".message")).to_have_count(3)
    for paragraph in page.locator(".body p").all():
        assert paragraph.evaluate("e => getComputedStyle(e).direction") == "rtl"
    # Behind the text: on its left.
    assert standing(page.locator(".edited")) == {"reads": "right", "after": False}
    left = page.locator(".edited").evaluate(
        """e => {
          const text = document.createRange();
          text.selectNodeContents(e.parentElement);
          return e.getBoundingClientRect().left - text.getBoundingClientRect().left;
        }"""
    )
    assert left < 1
    link = page.locator(".body a")
    assert link.evaluate("e => getComputedStyle(e).unicodeBidi") == "isolate"
    assert link.evaluate("e => getComputedStyle(e).direction") == "ltr"


def test_what_is_copied_has_nothing_that_was_added(told: Any) -> None:
    page, tell = told
    tell(frame_of(1, "see \u202ethis"))
    assert stored(page, "see").locator(".body").evaluate("e => e.textContent") == "see \u202ethis"


@pytest.mark.parametrize("turn", ["\u202e", "\u2067", "\u2069\u202e"])
def test_a_quote_stays_in_its_place(told: Any, turn: str) -> None:
    page, tell = told
    tell(frame_of(1, f"see {turn}this"), frame_of(2, "answer", reply_to=101))
    quote = page.locator(".quote .cut").last
    expect(quote).to_have_text("see this")
    choose(page, "see", "reply")
    expect(page.locator(".mode span")).to_have_text("Replying to Ann: see this")


def test_names_from_right_to_left_stay_in_their_place_in_lines_of_text(
    page: Page, told: Any
) -> None:
    isolated = f"\u2068{HEBREW}\u2069"
    script = """
      const names = new all.Names();
      names.hear({id: 1, name: input});
      names.hear({id: 2, name: "Bob"});
      return [names.list([1, 2, 3], 7), all.isolated("Bob"), all.isolated("a\\u202eb\\u2069c"),
              all.endsOf("a\\u2066b\\u202ec")];
    """
    said = [f"{isolated}, Bob and 1 other", "Bob", "abc", "\u202c\u2069"]
    assert run(page, "people bidi", script, HEBREW) == said
    other, tell = told
    tell({"type": "chat.typing", "user": {"id": 8, "name": HEBREW}})
    expect(other.locator("typing-line span")).to_have_text(f"{isolated} is typing…")
    tell({"type": "room.updated", "room": {"id": 1, "slug": "x", "title": HEBREW, "topic": ""}})
    expect(other.locator("#room-title")).to_have_text(HEBREW)
    assert other.title().startswith(f"{isolated} · ")
    tell(frame_of(1, "hello", user={"id": 8, "name": HEBREW}))
    expect(other.locator("spoken-news p")).to_have_text(f"{isolated}: hello")
    assert other.locator("spoken-news bdi").count() == 1


def test_a_title_is_the_same_before_the_script_has_come(new_context: NewContext) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto("/chat/שלום/")
    assert page.title().startswith("\u2068שלום\u2069 · ")
    page.goto("/chat/lobby/")
    assert page.title().startswith("Lobby · ")


def test_stacked_marks_stay_in_their_message(told: Any) -> None:
    page, tell = told
    kept = ["plain before", "plain between", "plain behind"]
    for seq, text in enumerate(kept):
        tell(frame_of(1 + 2 * seq, text))
    for seq in (2, 4):
        tell(frame_of(seq, "plain"))
    # In place of these:
    expect(page.locator(".message")).to_have_count(5)
    page.mouse.move(0, 0)
    rows = [stored(page, text) for text in kept]
    before = [picture(page, row) for row in rows]
    for seq in (2, 4):
        tell(frame_of(seq, ZALGO, type="chat.edited", pos=10 + seq, edited=None))
    expect(stored(page, ZALGO)).to_have_count(2)
    assert [picture(page, row) for row in rows] == before


def test_stacked_marks_stay_where_names_and_texts_are_shown_beside_others(told: Any) -> None:
    page, tell = told
    tell(frame_of(1, ZALGO, user={"id": 9, "name": ZALGO}), frame_of(2, "answer", reply_to=101))
    tell({"type": "room.updated", "room": {"id": 1, "slug": "x", "title": ZALGO, "topic": ZALGO}})
    tell(
        {
            "type": "presence.state",
            "online": 2,
            "version": 99,
            "users": [{"id": 9, "name": ZALGO}, {"id": 8, "name": "Bob"}],
        }
    )
    tell({"type": "chat.typing", "user": {"id": 9, "name": ZALGO}})
    expect(page.locator(".quote")).to_contain_text(ZALGO)
    choose(page, ZALGO, "reply")
    places = [".name", ".quote strong", ".quote span.cut", ".mode span", "#room-title"]
    places += ["#room-topic", ".message .avatar", "typing-line", ".person .cut"]
    for place in places:
        clips = page.locator(place).last.evaluate("e => getComputedStyle(e).overflowY")
        assert clips in ("hidden", "clip"), place


def test_stacked_marks_stay_in_the_question_before_deleting(new_context: NewContext) -> None:
    page = enter(new_context(), new_room())
    say(page, ZALGO)
    expect(stored(page, ZALGO)).to_have_count(1)
    choose(page, ZALGO, "delete")
    clips = page.locator("dialog blockquote").evaluate("e => getComputedStyle(e).overflowY")
    assert clips == "clip"
