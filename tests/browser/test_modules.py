"""The page's logic without its page: modules are imported and asked, in a real browser."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page

from chat.entry import slug_for
from core.templatetags.people import hue, initials
from tests.browser.conftest import NewContext

Run = Callable[..., Any]

HELPERS = """
const message = (seq, more = {}) => ({
  id: 100 + seq, seq, pos: seq, client_id: `c${seq}`, user: {id: 7, name: "Alice"},
  message: `text ${seq}`, created: "2026-11-22T09:30:00Z", ...more,
});
const live = (seq, more = {}) => ({type: "chat.message", ...message(seq, more)});
const page = (seqs, more = {}) => ({
  type: "chat.history", mode: "page", messages: seqs.map((seq) => message(seq)),
  head: Math.max(0, ...seqs), more: false, ...more,
});
const seqs = (history) => history.messages.map(({seq}) => seq);
class Wire extends EventTarget {
  readyState = 1;
  sent = [];
  constructor(url) { super(); this.url = url; Wire.all.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  says(...frames) {
    const data = frames.map((frame) => JSON.stringify(frame)).join("\\n");
    this.dispatchEvent(new MessageEvent("message", {data}));
  }
  ends(code) { this.dispatchEvent(new CloseEvent("close", {code})); }
}
Wire.all = [];
"""


@pytest.fixture
def run(new_context: NewContext) -> Run:
    """Run a script with everything that some modules export; returns what it returns."""
    page = new_context().new_page()
    page.clock.install(time=datetime(2026, 11, 22, 9))
    page.goto("/accounts/sign-in/")
    page.clock.pause_at(datetime(2026, 11, 22, 10))

    def run(names: str, script: str, argument: Any = None) -> Any:
        modules = " ".join(
            f'Object.assign(all, await import("/static/chat/js/{name}.js"));'
            for name in names.split()
        )
        # As a function of its own, the script sees the exports as plain names.
        source = f"async (input) => {{ const all = {{}}; {modules} {HELPERS} {script} }}"
        return page.evaluate(source, argument)

    run.page = page  # type: ignore[attr-defined]
    return run


class TestHistory:
    def test_messages_stand_in_the_order_of_seq_however_they_come(self, run: Run) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2]));
          for (const seq of [5, 4, 3, 4]) history.receive(live(seq));
          return [seqs(history), history.cursor];
        """
        assert run("history", script) == [[1, 2, 3, 4, 5], 5]

    def test_the_state_with_the_highest_pos_stays(self, run: Run) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2]));
          history.receive({...live(1, {pos: 4, message: "newer"}), type: "chat.edited"});
          history.receive({...live(1, {pos: 3, message: "older"}), type: "chat.edited"});
          return [history.get(101).message, history.cursor, seqs(history)];
        """
        assert run("history", script) == ["newer", 4, [1, 2]]

    def test_a_page_goes_before_what_is_there(self, run: Run) -> None:
        script = """
          const history = new all.History();
          history.receive(page([11, 12], {more: true}));
          const asked = history.pageBefore("r1", 50);
          const again = history.pageBefore("r2", 50);
          history.receive(page([9, 10], {more: false, ref: "r1", head: 99}));
          return [asked, again, seqs(history), history.more, history.cursor];
        """
        asked = {"type": "chat.history", "before": 11, "limit": 50, "ref": "r1"}
        assert run("history", script) == [asked, None, [9, 10, 11, 12], False, 12]

    def test_a_change_of_what_is_not_loaded_waits_for_its_page(self, run: Run) -> None:
        script = """
          const history = new all.History();
          history.receive(page([11, 12], {more: true}));
          history.pageBefore("r1", 50);
          // The page was read before this edit, and arrives after it.
          history.receive({...live(10, {pos: 13, message: "edited"}), type: "chat.edited"});
          const before = seqs(history);
          history.receive(page([9, 10], {ref: "r1"}));
          return [before, history.get(110).message, history.cursor];
        """
        assert run("history", script) == [[11, 12], "edited", 13]

    def test_catching_up_and_starting_over(self, run: Run) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2]));
          const since = [message(1, {pos: 3}), message(3, {pos: 4})];
          history.receive({type: "chat.history", mode: "since", messages: since, head: 6});
          const caughtUp = [seqs(history), history.cursor];
          history.receive(page([50, 51], {mode: "reset", more: true}));
          return [caughtUp, seqs(history), history.cursor, history.more];
        """
        assert run("history", script) == [[[1, 2, 3], 6], [50, 51], 51, True]

    def test_what_was_trimmed_can_be_paged_in_again(self, run: Run) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2, 3, 4]));
          history.trim(2);
          const kept = seqs(history);
          return [kept, history.pageBefore("r", 2).before];
        """
        assert run("history", script) == [[3, 4], 3]


class TestSocket:
    def test_a_frame_may_hold_several_objects(self, run: Run) -> None:
        script = 'return all.decode(\'{"type": "a"}\\n{"type": "b"}\\n\');'
        assert run("socket", script) == [{"type": "a"}, {"type": "b"}]

    def test_waits_grow_and_are_spread(self, run: Run) -> None:
        script = (
            "return [0, 1, 2, 9].map((n) => [all.backoff(n, () => 0), all.backoff(n, () => 1)]);"
        )
        assert run("socket", script) == [
            [500, 1000],
            [1000, 2000],
            [2000, 4000],
            [15000, 30000],
        ]

    def test_comes_back_with_the_cursor(self, run: Run) -> None:
        script = """
          let cursor = null;
          const socket = new all.ChatSocket("/ws/chat/x/", () => cursor, (url) => new Wire(url));
          const states = [];
          socket.addEventListener("state", () => states.push(socket.state));
          socket.connect();
          const early = socket.send({});
          Wire.all[0].says(page([1]));
          cursor = 1;
          const sent = socket.send({type: "ping"});
          Wire.all[0].ends(4408);
          const wait = socket.retryAt - Date.now();
          socket.wake();
          const [first, second] = Wire.all.map(({url}) => new URL(url).search);
          return [states, early, sent, first, second, wait > 0 && wait <= 1000];
        """
        states = ["connecting", "open", "waiting", "connecting"]
        assert run("socket", script) == [states, False, True, "", "?since=1", True]

    @pytest.mark.parametrize("code", [4400, 4401, 4403, 4404])
    def test_stays_away_where_it_is_told_to(self, run: Run, code: int) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => null, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].ends(input);
          socket.wake();
          return [socket.state, socket.code, Wire.all.length];
        """
        assert run("socket", script, code) == ["closed", code, 1]

    def test_a_server_that_leaves_says_when_to_return(self, run: Run) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].says(page([1]), {type: "error", code: "unavailable", retry_after: 7});
          Wire.all[0].ends(4410);
          return socket.retryAt - Date.now();
        """
        assert 7_000 <= run("socket", script) <= 8_000

    def test_a_connection_that_went_silent_is_left(self, run: Run) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          globalThis.wires = Wire.all;
          globalThis.socket = socket;
          socket.connect();
          Wire.all[0].says(page([1]));
        """
        run("socket", script)
        page: Page = run.page  # type: ignore[attr-defined]
        page.clock.run_for(21_000)
        assert page.evaluate("wires[0].sent") == [{"type": "ping", "ref": 1}]
        page.evaluate("wires[0].says({type: 'pong', ref: 1})")
        page.clock.run_for(21_000)
        assert page.evaluate("[socket.state, wires[0].sent.length]") == ["open", 2]
        page.clock.run_for(9_000)
        assert page.evaluate("wires.length") >= 2
        page.evaluate("wires[0].says({type: 'chat.history', messages: []})")  # too late
        assert page.evaluate("socket.state") != "open"

    def test_a_connection_that_never_answers_is_left(self, run: Run) -> None:
        script = """
          globalThis.socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
        """
        run("socket", script)
        page: Page = run.page  # type: ignore[attr-defined]
        page.clock.run_for(15_100)
        assert page.evaluate("socket.state") == "waiting"


class TestDrafts:
    SET_UP = """
      const storage = new all.MemoryStorage();
      const sent = [];
      let open = true;
      const make = () => new all.Drafts({
        storage, room: "r", user: 7, send: (frame) => open && (sent.push(frame), true),
      });
      const drafts = make();
      const states = (some) => some.list.map(({state}) => state);
    """

    def test_kept_until_confirmed_and_sent_under_one_id(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          open = false;
          const id = drafts.add("hello", 42);
          const waiting = states(drafts);
          open = true;
          const other = make();  // another tab, or the same after a reload
          other.flush();
          other.disconnected();
          other.flush();
          other.confirm([{{client_id: id}}]);
          return [waiting, sent.map((f) => f.client_id === id), sent[0].reply_to,
                  other.list.length, make().list.length];
        """
        assert run("drafts", script) == [["waiting"], [True, True], 42, 0, 0]

    def test_what_is_refused_for_good_waits_for_a_person(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          const id = drafts.add("hello");
          drafts.refused({{client_id: id, code: "muted", detail: "Not now."}});
          const draft = {{...drafts.list[0]}};
          const kept = states(make());
          drafts.flush();
          const tries = sent.length;
          drafts.retry(id);
          return [draft.state, draft.detail, kept, tries, sent.length, states(drafts)];
        """
        assert run("drafts", script) == ["failed", "Not now.", ["failed"], 1, 2, ["sent"]]

    def test_what_is_refused_for_now_is_sent_later_in_order(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          globalThis.sent = sent;
          const ids = ["one", "two", "three"].map((text) => drafts.add(text));
          for (const client_id of ids) {{
            drafts.refused({{client_id, code: "rate_limited", detail: "Slowly.", retry_after: 3}});
          }}
          drafts.flush();
          return [sent.length, states(drafts)];
        """
        assert run("drafts", script) == [3, ["waiting"] * 3]
        page: Page = run.page  # type: ignore[attr-defined]
        page.clock.run_for(2_900)
        assert page.evaluate("sent.length") == 3
        page.clock.run_for(200)
        assert page.evaluate("sent.slice(3).map(f => f.message)") == ["one", "two", "three"]

    def test_an_answer_that_does_not_come_is_asked_for_again(self, run: Run) -> None:
        run("drafts", f'{self.SET_UP} globalThis.sent = sent; drafts.add("hello");')
        page: Page = run.page  # type: ignore[attr-defined]
        page.clock.run_for(12_100)
        assert page.evaluate("sent.map(f => f.client_id === sent[0].client_id)") == [True, True]

    def test_rooms_and_people_do_not_mix(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          open = false;
          drafts.add("hello");
          drafts.text = "half";
          const send = () => true;
          const others = [{{room: "r2", user: 7}}, {{room: "r", user: 8}}].map(
            (place) => new all.Drafts({{storage, send, ...place}}));
          return others.map((each) => [each.list.length, each.text]);
        """
        assert run("drafts", script) == [[0, ""], [0, ""]]


class TestPresence:
    SET_UP = """
      let asked = 0;
      const presence = new all.Presence(() => { asked += 1; });
      globalThis.asked = () => asked;
      const user = (id) => ({id, name: `User ${id}`});
      const joined = (id, version, online) =>
        ({type: "presence.joined", user: user(id), version, online});
      presence.receive({type: "presence.state", users: [user(2), user(1)], online: 2, version: 5});
      const ids = () => presence.users.map(({id}) => id);
    """

    def test_comings_and_goings_in_turn(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          presence.receive(joined(3, 6, 3));
          presence.receive(joined(3, 6, 3));
          presence.receive({{type: "presence.left", user: user(1), version: 7, online: 2}});
          return [ids(), presence.online, asked];
        """
        assert run("presence", script) == [[2, 3], 2, 0]

    def test_a_gap_is_asked_about_once(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          for (const version of [8, 9, 10]) presence.receive(joined(version, version, 9));
          const before = [ids(), asked];
          presence.receive({{type: "presence.state", users: [user(9)], online: 1, version: 10}});
          return [before, ids(), asked];
        """
        assert run("presence", script) == [[[1, 2], 1], [9], 1]
        page: Page = run.page  # type: ignore[attr-defined]
        page.clock.run_for(5_000)
        assert page.evaluate("asked()") == 1

    def test_in_a_large_room_the_rest_is_a_number(self, run: Run) -> None:
        script = f"""{self.SET_UP}
          presence.receive({{type: "presence.state", users: [user(1)], online: 300, version: 9}});
          return presence.unnamed;
        """
        assert run("presence", script) == 299


def test_typing_is_told_at_most_every_three_seconds(run: Run) -> None:
    run(
        "typing",
        "let n = 0; globalThis.typing = new all.Typing(() => { n += 1; }, 7); "
        "globalThis.told = () => n;",
    )
    page: Page = run.page  # type: ignore[attr-defined]
    page.evaluate("typing.typed(); typing.typed();")
    assert page.evaluate("told()") == 1
    page.clock.run_for(3_100)
    page.evaluate("typing.typed()")
    assert page.evaluate("told()") == 2


def test_who_types_fades_and_own_typing_is_no_news(run: Run) -> None:
    script = """
      globalThis.typing = new all.Typing(() => {}, 7);
      for (const id of [7, 8, 9]) typing.receive({type: "chat.typing", user: {id, name: `U${id}`}});
      typing.receive({...live(1), user: {id: 9, name: "U9"}});
      return [typing.names, all.sentence(typing.names), all.sentence(["A", "B", "C"]),
              all.sentence(["A", "B", "C", "D"])];
    """
    assert run("typing", script) == [
        ["U8"],
        "U8 is typing…",
        "A, B and C are typing…",
        "Several people are typing…",
    ]
    page: Page = run.page  # type: ignore[attr-defined]
    page.clock.run_for(5_600)
    assert page.evaluate("typing.names") == []


def test_the_line_stands_where_the_unread_begin(run: Run) -> None:
    script = """
      const make = (readPos) => {
        const reading = new all.Reading({me: 1, readPos, tell: () => true});
        const [edited, old, fresh] = [{pos: 9}, {pos: 3}, {pos: 10}];
        reading.begin([message(1), message(2, edited), message(3, old), message(4, fresh)]);
        return reading.line;
      };
      const away = new all.Reading({me: 1, readPos: 4, tell: () => true});
      away.begin([message(1)]);
      away.arrived([message(2, {user: {id: 1, name: "me"}})], false);
      away.arrived([message(3)], false);
      away.arrived([message(4)], false);
      const counted = [away.line, away.unseen];
      away.seen(4);
      return [make(3), make(10), make(0), counted, away.unseen, away.line];
    """
    assert run("reading", script) == [3, None, None, [2, 2], 0, 2]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("plain", [[["text", "plain"]]]),
        ("a `b` c", [[["text", "a "], ["code", "b"], ["text", " c"]]]),
        ("```\na  b\n```", ["a  b"]),
        ("so:\n```py\nx = 1\n```\nand", [[["text", "so:"]], "x = 1", [["text", "and"]]]),
        ("see ```one line```", [[["text", "see"]], "one line"]),
        ("```never closed", [[["text", "```never closed"]]]),
        ("hi @bob.b, mail@x.y", [[["text", "hi "], ["mention", "@bob.b"], ["text", ", mail@x.y"]]]),
        (
            "(https://a.b/c_(d)).",
            [[["text", "("], ["link", "https://a.b/c_(d)"], ["text", ")."]]],
        ),
        ("https:// http://", [[["text", "https:// http://"]]]),
    ],
)
def test_what_people_write_is_taken_apart(run: Run, text: str, blocks: list[Any]) -> None:
    script = """
      return all.parse(input).map((block) =>
        block.type === "code" ? block.text : block.parts.map(({type, text}) => [type, text]));
    """
    assert run("format", script, text) == blocks


@pytest.mark.parametrize("start", ["https://a.b/", "```", "@a.", "`", "http://x((("])
def test_no_text_takes_long_to_take_apart(run: Run, start: str) -> None:
    script = """
      const texts = [input + ")".repeat(40000), input.repeat(8000), input + ".".repeat(40000)];
      const before = performance.now();
      texts.forEach((text) => all.parse(text));
      return performance.now() - before;
    """
    run.page.clock.resume()  # type: ignore[attr-defined]
    assert run("format", script, start) < 500


NAMES = [
    "Lobby",
    " Öl & Gas ",
    "a -- b",
    "_x_",
    "カフェ",
    "ＬＯＢＢＹ",
    "🎉",
    "x" * 99,
    "İstanbul",
    "--a__",
]


def test_browser_and_server_make_the_same_address(run: Run) -> None:
    assert run("slug", "return input.map(all.slugFor);", NAMES) == [slug_for(n) for n in NAMES]


def test_browser_and_server_paint_people_alike(run: Run) -> None:
    names = ["Alice Liddell", "bob", "guest-x7", "Ольга", "a.b.c", " "]
    assert run("people", "return input.map(all.initials);", names) == [initials(n) for n in names]
    assert run("people", "return [0, 7, 12, 25].map(all.hue);") == [hue(n) for n in (0, 7, 12, 25)]
