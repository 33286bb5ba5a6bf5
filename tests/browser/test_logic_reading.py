"""What is new to us, as the page says it: model/reading.js, fed by model/history.js."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.browser.modules import run

# A room in which we (7) and Bob (8) talk.
SET_UP = """
  globalThis.start = (readSeq) => {
    const told = [];
    const history = new all.History();
    const state = {open: true, looking: false, told, history};
    const tell = (seq) => state.open && (told.push(seq), true);
    const isLooking = () => state.looking;
    const reading = new all.Reading({me: 7, readSeq, history, isLooking, tell});
    return Object.assign(state, {reading});
  };
  globalThis.bob = (seq, more = {}) => live(seq, {user: {id: 8, name: "Bob"}, ...more});
  globalThis.shown = ({reading}) => [reading.unseen, reading.line];
  globalThis.of = (count, more = {}) =>
    page([], {messages: Array.from({length: count}, (_, n) => bob(n + 1)), head: count, ...more});
"""


def asks(page: Page, script: str, argument: Any = None) -> Any:
    return run(page, "history reading", SET_UP + script, argument)


KINDS = {
    "another's": ({}, True),
    "an action": ({"kind": "action"}, True),
    "a bot's": ({"kind": "bot"}, True),
    "edited": ({"edited": "2026-11-22T09:31:00Z"}, True),
    "a notice": ({"kind": "notice"}, False),
    "deleted": ({"deleted": "2026-11-22T09:31:00Z"}, False),
    "my own": ({"user": {"id": 7, "name": "Alice"}}, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_new_where_the_server_says_so_too(page: Page, kind: str) -> None:
    more, is_news = KINDS[kind]
    script = """
      const room = start(1);
      room.history.receive(of(1));
      const before = shown(room);
      room.history.receive(bob(2, input));
      return [before, shown(room), room.reading.news.length];
    """
    count = int(is_news)
    assert asks(page, script, more) == [[0, None], [count, 1 if is_news else None], count]


@pytest.mark.parametrize(
    ("read", "shown"), [(0, [4, 0]), (3, [1, 3]), (4, [0, None]), (9, [0, None])]
)
def test_the_line_stands_where_the_unread_begin(page: Page, read: int, shown: list[Any]) -> None:
    script = "const room = start(input); room.history.receive(of(4)); return shown(room);"
    assert asks(page, script, read) == shown


class TestWhatHappensToWhatNobodyHasLookedAt:
    ROOM = "const room = start(2); room.history.receive(of(2)); room.history.receive(bob(3));"

    def test_a_message_that_is_deleted_is_new_no_more(self, page: Page) -> None:
        script = """
          let changes = 0;
          room.reading.addEventListener("change", () => (changes += 1));
          const gone = {type: "chat.deleted", message: "", deleted: "2026-11-22T09:31:00Z"};
          const before = shown(room);
          room.history.receive(bob(3, {pos: 4, ...gone}));
          return [before, shown(room), changes];
        """
        assert asks(page, self.ROOM + script) == [[1, 2], [0, None], 1]

    def test_the_line_goes_on_to_the_next_where_the_first_is_deleted(self, page: Page) -> None:
        script = """
          room.history.receive(bob(4));
          room.history.receive(bob(3, {pos: 5, deleted: "2026-11-22T09:31:00Z"}));
          return shown(room);
        """
        assert asks(page, self.ROOM + script) == [1, 3]

    def test_edits_and_reactions_of_what_was_read_are_no_news(self, page: Page) -> None:
        script = """
          const edited = {type: "chat.edited", edited: "2026-11-22T09:31:00Z"};
          room.history.receive(bob(1, {pos: 4, ...edited}));
          room.history.receive(bob(2, {type: "chat.reaction", pos: 5, reactions: {"👍": [8]}}));
          return [shown(room), room.reading.news];
        """
        assert asks(page, self.ROOM + script) == [[1, 2], []]

    def test_another_tab_that_has_read_some_of_it_leaves_the_rest(self, page: Page) -> None:
        script = """
          for (let seq = 4; seq <= 14; seq += 1) room.history.receive(bob(seq));
          const before = shown(room);
          room.reading.receive({type: "chat.read", seq: 13});
          return [before, shown(room), room.told];
        """
        assert asks(page, self.ROOM + script) == [[12, 2], [1, 13], []]

    def test_a_fresh_page_is_what_there_is(self, page: Page) -> None:
        script = """
          room.history.receive(of(9, {mode: "reset"}));
          const longer = shown(room);
          room.looking = true;
          room.reading.seen();
          // a database that lost its last commits gives their places out once more
          room.history.receive(of(4, {mode: "reset"}));
          room.looking = false;
          const shorter = shown(room);
          room.history.receive(bob(5));
          return [longer, shorter, shown(room)];
        """
        assert asks(page, self.ROOM + script) == [[7, 2], [0, 2], [1, 2]]

    def test_a_server_of_before_says_nothing_that_we_understand(self, page: Page) -> None:
        script = """
          room.reading.receive({type: "chat.read", pos: 99});
          room.reading.receive({type: "chat.read", seq: 1});
          return shown(room);
        """
        assert asks(page, self.ROOM + script) == [1, 2]


def test_what_comes_while_one_looks_is_read_and_read_out(page: Page) -> None:
    script = """
      const room = start(2);
      room.history.receive(of(2));
      room.looking = true;
      room.history.receive(bob(3));
      return [shown(room), room.reading.news.length];
    """
    assert asks(page, script) == [[0, None], 1]


def test_the_line_goes_up_to_the_first_unread_where_older_messages_come(page: Page) -> None:
    script = """
      const room = start(10);
      const some = (from, to) => of(to).messages.slice(from - 1);
      const older = (from, to, more) => {
        const {ref} = room.history.pageBefore(`page ${from}`, 50);
        room.history.receive({...page([]), messages: some(from, to), more, ref});
        return shown(room);
      };
      room.history.receive(of(120, {messages: some(71, 120), more: true}));
      return [shown(room), older(21, 70, true), older(1, 20, false), room.reading.news];
    """
    assert asks(page, script) == [[50, 70], [100, 20], [110, 10], []]


def test_where_one_has_begun_to_read_the_line_stays_until_it_has_served(page: Page) -> None:
    script = """
      const room = start(2);
      room.history.receive(of(4));
      room.reading.seen();
      const read = shown(room);
      room.history.receive(bob(5));
      const more = shown(room);
      room.reading.seen();
      room.reading.clearLine();
      return [read, more, shown(room)];
    """
    assert asks(page, script) == [[0, 2], [1, 2], [0, None]]


class TestTellingWhatWasRead:
    ROOM = "globalThis.room = start(0); room.history.receive(of(0)); room.looking = true;"

    def test_a_room_where_messages_flow_is_told_as_read_too(self, page: Page) -> None:
        asks(page, self.ROOM)
        for seq in range(1, 9):
            page.evaluate("seq => room.history.receive(bob(seq))", seq)
            page.clock.run_for(250)
        assert page.evaluate("room.told") == [4, 8]

    def test_a_page_that_is_left_tells_at_once_and_once(self, page: Page) -> None:
        asks(page, self.ROOM)
        page.evaluate("room.history.receive(of(5)); room.reading.seen();")
        page.evaluate("room.reading.tellNow(); room.reading.tellNow();")
        page.clock.run_for(1_000)
        assert page.evaluate("room.told") == [5]

    def test_what_could_not_be_told_is_told_later(self, page: Page) -> None:
        asks(page, self.ROOM)
        page.evaluate("room.open = false; room.history.receive(of(5)); room.reading.seen()")
        page.clock.run_for(1_000)
        page.evaluate("room.open = true; room.reading.seen()")
        page.clock.run_for(1_000)
        assert page.evaluate("room.told") == [5]

    def test_what_was_told_and_lost_on_its_way_is_told_anew(self, page: Page) -> None:
        asks(page, self.ROOM)
        page.evaluate("room.history.receive(of(5)); room.reading.seen(); room.reading.tellNow()")
        page.evaluate("room.reading.disconnected(); room.reading.seen()")
        page.clock.run_for(1_000)
        assert page.evaluate("room.told") == [5, 5]
        page.evaluate("room.reading.receive({type: 'chat.read', seq: 5})")
        page.evaluate("room.reading.disconnected(); room.reading.seen()")
        page.clock.run_for(1_000)
        assert page.evaluate("room.told") == [5, 5]

    def test_what_another_tab_has_told_is_not_told_again(self, page: Page) -> None:
        asks(page, self.ROOM)
        page.evaluate("room.reading.receive({type: 'chat.read', seq: 5})")
        page.evaluate("room.history.receive(bob(5))")
        page.clock.run_for(1_000)
        assert page.evaluate("room.told") == []


EVENTS = st.one_of(
    st.tuples(st.just("post"), st.sampled_from([7, 8]), st.sampled_from(["text", "notice"])),
    st.tuples(st.sampled_from(["delete", "edit", "react", "read"]), st.integers(1, 8)),
    st.tuples(st.sampled_from(["look", "leave", "reload", "trim"])),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, max_size=20))
def test_whatever_happens_what_is_unseen_follows_from_log_and_position(
    page: Page, events: list[tuple[Any, ...]]
) -> None:
    """Against a list of messages and a number: some sixty histories."""
    said: list[dict[str, Any]] = []
    frames: list[Any] = []
    read, looking, held, head = 0, False, 0, 0
    for what, *rest in events:
        if what == "post":
            head += 1
            said.append({"by": rest[0], "kind": rest[1], "deleted": False})
            frames.append(["state", len(said), head, said[-1] | {}])
        elif what in ("delete", "edit", "react") and rest[0] <= len(said):
            head += 1
            message = said[rest[0] - 1]
            message["deleted"] |= what == "delete"
            frames.append(["state", rest[0], head, message | {}])
        elif what == "read" and rest[0] <= len(said):
            read = max(read, rest[0])
            frames.append(["read", rest[0]])
        elif what in ("look", "leave"):
            looking = what == "look"
            frames.append([what])
        elif what == "reload":
            held = 0
            frames.append(["reload", [message | {} for message in said], head])
        elif what == "trim":
            held = max(held, len(said) - 2)
            frames.append(["trim"])
        read = len(said) if looking else read
    expected = sum(
        message["by"] == 8 and message["kind"] == "text" and not message["deleted"]
        for seq, message in enumerate(said, 1)
        if seq > max(read, held)
    )
    script = """
      const room = start(0);
      const state = (seq, {by, kind, deleted}, pos) => ({
        ...live(seq), pos, user: {id: by, name: "x"}, ...(kind === "text" ? {} : {kind}),
        ...(deleted ? {message: "", deleted: "2026-11-22T09:31:00Z"} : {}),
      });
      room.history.receive(of(0));
      for (const [what, ...rest] of input) {
        if (what === "state") room.history.receive(state(rest[0], rest[2], rest[1]));
        else if (what === "read") room.reading.receive({type: "chat.read", seq: rest[0]});
        else if (what === "trim") room.history.trim(2);
        else if (what === "reload") {
          const [messages, head] = rest;
          const states = messages.map((message, n) => state(n + 1, message, head));
          room.history.receive(page([], {messages: states, head, mode: "reset"}));
        } else room.looking = what === "look";
        if (room.looking) room.reading.seen();
      }
      return room.reading.unseen;
    """
    assert asks(page, script, frames) == expected
