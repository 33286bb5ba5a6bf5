"""History, socket and drafts, asked without a page around them."""

import pytest
from playwright.sync_api import Page

from tests.browser.acting import hide
from tests.browser.modules import run


class TestHistory:
    def test_messages_stand_in_the_order_of_seq_however_they_come(self, page: Page) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2]));
          for (const seq of [5, 4, 3, 4]) history.receive(live(seq));
          return [seqs(history), history.cursor];
        """
        assert run(page, "history", script) == [[1, 2, 3, 4, 5], 5]

    def test_the_state_with_the_highest_pos_stays(self, page: Page) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2]));
          history.receive({...live(1, {pos: 4, message: "newer"}), type: "chat.edited"});
          history.receive({...live(1, {pos: 3, message: "older"}), type: "chat.edited"});
          return [history.get(101).message, history.cursor, seqs(history)];
        """
        assert run(page, "history", script) == ["newer", 4, [1, 2]]

    def test_a_page_goes_before_what_is_there(self, page: Page) -> None:
        script = """
          const history = new all.History();
          history.receive(page([11, 12], {more: true}));
          const asked = history.pageBefore("r1", 50);
          const again = history.pageBefore("r2", 50);
          history.receive(page([9, 10], {more: false, ref: "r1", head: 99}));
          return [asked, again, seqs(history), history.more, history.cursor];
        """
        asked = {"type": "chat.history", "before": 11, "limit": 50, "ref": "r1"}
        assert run(page, "history", script) == [asked, None, [9, 10, 11, 12], False, 12]

    def test_a_change_of_what_is_not_loaded_waits_for_its_page(self, page: Page) -> None:
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
        assert run(page, "history", script) == [[11, 12], "edited", 13]

    def test_catching_up_and_starting_over(self, page: Page) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2]));
          const since = [message(1, {pos: 3}), message(3, {pos: 4})];
          history.receive({type: "chat.history", mode: "since", messages: since, head: 6});
          const caughtUp = [seqs(history), history.cursor];
          history.receive(page([50, 51], {mode: "reset", more: true}));
          return [caughtUp, seqs(history), history.cursor, history.more];
        """
        assert run(page, "history", script) == [[[1, 2, 3], 6], [50, 51], 51, True]

    def test_what_was_trimmed_can_be_paged_in_again(self, page: Page) -> None:
        script = """
          const history = new all.History();
          history.receive(page([1, 2, 3, 4]));
          history.trim(2);
          const kept = seqs(history);
          return [kept, history.pageBefore("r", 2).before];
        """
        assert run(page, "history", script) == [[3, 4], 3]

    @pytest.mark.parametrize(
        ("meanwhile", "kept"),
        [
            ("history.forgetPage()", [11, 12]),
            ("history.trim(1)", [12]),
            ("history.receive(page([50, 51], {mode: 'reset', more: true}))", [50, 51]),
        ],
    )
    def test_a_page_that_is_not_waited_for_any_more_changes_nothing(
        self, page: Page, meanwhile: str, kept: list[int]
    ) -> None:
        script = f"""
          const history = new all.History();
          history.receive(page([11, 12], {{more: true}}));
          history.pageBefore("r1", 50);
          {meanwhile};
          history.receive(page([9, 10], {{ref: "r1"}}));
          return [seqs(history), history.more, history.pageBefore("r2", 50).before];
        """
        assert run(page, "history", script) == [kept, True, kept[0]]

    def test_a_refused_page_is_asked_for_again_when_the_server_says(self, page: Page) -> None:
        script = """
          const history = globalThis.room = new all.History();
          history.receive(page([11, 12], {more: true}));
          history.pageBefore("r1", 50);
          globalThis.changes = [];
          history.addEventListener("change", () => changes.push(history.loading));
          const refuse = (ref) => history.refused({type: "error", ref, retry_after: 3});
          return [refuse("c9"), history.loading, refuse("r1"), refuse("r1"), changes.length,
                  history.pageBefore("r2", 50)];
        """
        assert run(page, "history", script) == [False, True, True, False, 1, None]
        page.clock.run_for(3_100)
        assert page.evaluate("[changes, room.pageBefore('r3', 50).ref]") == [[False, False], "r3"]

    def test_a_frame_brings_messages_that_are_not_shown_too(self, page: Page) -> None:
        script = """
          const frames = [live(1), page([1, 2]), {type: "error", client_id: "c1"}];
          return frames.map((frame) => all.messagesIn(frame).map(({seq}) => seq));
        """
        assert run(page, "history", script) == [[1], [1, 2], []]


class TestSocket:
    def test_a_frame_may_hold_several_objects(self, page: Page) -> None:
        script = 'return all.decode(\'{"type": "a"}\\n{"type": "b"}\\n\');'
        assert run(page, "socket", script) == [{"type": "a"}, {"type": "b"}]

    def test_waits_grow_and_are_spread(self, page: Page) -> None:
        script = (
            "return [0, 1, 2, 9].map((n) => [all.backoff(n, () => 0), all.backoff(n, () => 1)]);"
        )
        assert run(page, "socket", script) == [
            [200, 2500],
            [200, 5000],
            [200, 10000],
            [200, 30000],
        ]

    def test_a_crowd_that_was_lost_at_once_comes_back_one_by_one(self, page: Page) -> None:
        script = """
          const tries = Array.from({length: 1000}, () => all.backoff(0)).sort((a, b) => a - b);
          const busiest = (ms) => Math.max(...tries.map(
            (from) => tries.filter((at) => at >= from && at < from + ms).length));
          return [busiest(500), tries.at(-1)];
        """
        busiest, last = run(page, "socket", script)
        assert busiest < 400  # 217 in the mean; it was all of them
        assert last <= 2_500  # and so nobody is shown as having left

    def test_comes_back_with_the_cursor(self, page: Page) -> None:
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
          return [states, early, sent, first, second, wait > 0 && wait <= 2500];
        """
        states = ["connecting", "open", "waiting", "connecting"]
        assert run(page, "socket", script) == [states, False, True, "", "?since=1", True]

    @pytest.mark.parametrize("code", [4400, 4401, 4403, 4404, 4409])
    def test_stays_away_where_it_is_told_to(self, page: Page, code: int) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => null, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].ends(input);
          socket.wake();
          return [socket.state, socket.code, Wire.all.length];
        """
        assert run(page, "socket", script, code) == ["closed", code, 1]

    def test_a_server_that_leaves_says_when_to_return(self, page: Page) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].says(page([1]), {type: "error", code: "unavailable", retry_after: 7});
          Wire.all[0].ends(4410);
          return socket.retryAt - Date.now();
        """
        assert 7_000 <= run(page, "socket", script) <= 9_500

    def test_a_connection_that_went_silent_is_left(self, page: Page) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          globalThis.wires = Wire.all;
          globalThis.socket = socket;
          socket.connect();
          Wire.all[0].says(page([1]));
        """
        run(page, "socket", script)
        page.clock.run_for(21_000)
        assert page.evaluate("wires[0].sent") == [{"type": "ping", "ref": 1}]
        page.evaluate("wires[0].says({type: 'pong', ref: 1})")
        page.clock.run_for(21_000)
        assert page.evaluate("[socket.state, wires[0].sent.length]") == ["open", 2]
        page.clock.run_for(11_000)
        assert page.evaluate("wires.length") >= 2
        page.evaluate("wires[0].says({type: 'chat.history', messages: []})")  # too late
        assert page.evaluate("socket.state") != "open"

    def test_a_browser_that_says_it_is_offline_is_not_quite_believed(self, page: Page) -> None:
        script = """
          Object.defineProperty(navigator, "onLine", {value: false, configurable: true});
          globalThis.wires = Wire.all;
          globalThis.socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].ends(1006);
        """
        run(page, "socket", script)
        page.clock.run_for(29_000)
        assert page.evaluate("[socket.state, wires.length]") == ["offline", 1]
        page.clock.run_for(2_000)
        assert page.evaluate("[socket.state, wires.length]") == ["connecting", 2]
        page.evaluate("wires[1].says({type: 'chat.history', messages: []})")
        assert page.evaluate("socket.state") == "open"

    def test_a_network_that_goes_while_waiting_slows_the_tries_down(self, page: Page) -> None:
        script = """
          globalThis.wires = Wire.all;
          globalThis.socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].ends(1006);
          socket.networkLost();
        """
        run(page, "socket", script)
        page.clock.run_for(29_000)
        assert page.evaluate("[socket.state, wires.length]") == ["offline", 1]
        page.clock.run_for(2_000)
        assert page.evaluate("wires.length") == 2

    def test_a_connection_that_never_answers_is_left(self, page: Page) -> None:
        script = """
          globalThis.socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
        """
        run(page, "socket", script)
        page.clock.run_for(15_100)
        assert page.evaluate("socket.state") == "waiting"


class TestDrafts:
    SET_UP = """
      const storage = new all.MemoryStorage();
      const sent = [];
      let open = true;
      const make = (session = new all.MemoryStorage()) => new all.Drafts({
        storage, session, room: "r", user: 7,
        send: (frame) => open && (sent.push(frame), true),
      });
      const session = new all.MemoryStorage();
      const drafts = make(session);
      const states = (some) => some.list.map(({state}) => state);
    """

    def test_kept_until_confirmed_and_sent_under_one_id(self, page: Page) -> None:
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
        assert run(page, "drafts kept", script) == [["waiting"], [True, True], 42, 0, 0]

    def test_what_is_refused_for_good_waits_for_a_person(self, page: Page) -> None:
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
        assert run(page, "drafts kept", script) == [
            "failed",
            "Not now.",
            ["failed"],
            1,
            2,
            ["sent"],
        ]

    def test_what_is_refused_for_now_is_sent_later_in_order(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          globalThis.sent = sent;
          const ids = ["one", "two", "three"].map((text) => drafts.add(text));
          for (const client_id of ids) {{
            drafts.refused({{client_id, code: "rate_limited", detail: "Slowly.", retry_after: 3}});
          }}
          drafts.flush();
          return [sent.length, states(drafts)];
        """
        assert run(page, "drafts kept", script) == [3, ["waiting"] * 3]
        page.clock.run_for(2_900)
        assert page.evaluate("sent.length") == 3
        page.clock.run_for(200)
        assert page.evaluate("sent.slice(3).map(f => f.message)") == ["one", "two", "three"]

    def test_an_answer_that_does_not_come_is_asked_for_again(self, page: Page) -> None:
        run(page, "drafts kept", f'{self.SET_UP} globalThis.sent = sent; drafts.add("hello");')
        page.clock.run_for(12_100)
        assert page.evaluate("sent.map(f => f.client_id === sent[0].client_id)") == [True, True]

    def test_rooms_and_people_do_not_mix(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          open = false;
          drafts.add("hello");
          drafts.kept.text = "half";
          const send = () => true;
          const others = [{{room: "r2", user: 7}}, {{room: "r", user: 8}}].map(
            (place) => new all.Drafts({{storage, session, send, ...place}}));
          return others.map((each) => [each.list.length, each.kept.text]);
        """
        assert run(page, "drafts kept", script) == [[0, ""], [0, ""]]

    def test_they_follow_a_room_whatever_its_address(self, page: Page) -> None:
        """Kept by the room's address until now; the person 71 must not lose theirs to 7."""
        script = f"""{self.SET_UP}
          const old = (client_id) => JSON.stringify({{client_id, message: "old", at: 1}});
          storage.setItem("chat:unsent:lobby:7:a", old("a"));
          storage.setItem("chat:unsent:lobby:71:b", old("b"));
          storage.setItem("chat:draft:lobby:7", "half");
          storage.setItem("chat:draft:lobby:71", "theirs");
          open = false;
          const enter = (room, slug) => new all.Drafts({{
            storage, session: new all.MemoryStorage(), room, slug, user: 7, send: () => open}});
          const here = enter(5, "lobby");
          const found = [here.list.map((each) => each.client_id), here.kept.text];
          const look = (each) => [each.list.length, each.kept.text];
          const renamed = look(enter(5, "salon"));
          const other = look(enter(6, "lobby"));
          here.kept.follow(9);  // opened anew
          here.confirm([{{client_id: "a"}}]);
          here.add("more");
          const anew = enter(9, "salon");
          return [found, renamed, other, [anew.list.map((each) => each.message), anew.kept.text],
                  storage.getItem("chat:draft:lobby:71"),
                  storage.getItem("chat:unsent:lobby:71:b") === old("b")];
        """
        assert run(page, "drafts kept", script) == [
            [["a"], "half"],
            [1, "half"],
            [0, ""],
            [["more"], "half"],
            "theirs",
            True,
        ]

    def test_what_a_page_may_not_send_is_kept_for_one_that_may(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          const failed = drafts.add("refused");
          drafts.refused({{client_id: failed, code: "muted", detail: "Not now."}});
          drafts.add("on its way");
          drafts.disconnected();
          drafts.bar("You were removed.");
          const tries = sent.length;
          drafts.flush();
          const shown = drafts.list.map(({{state, detail}}) => [state, detail]);
          return [sent.length - tries, shown, states(make())];
        """
        barred = ["barred", "You were removed."]
        assert run(page, "drafts kept", script) == [0, [barred, barred], ["failed", "waiting"]]

    def test_two_tabs_write_two_texts(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          const other = new all.MemoryStorage();
          drafts.kept.text = "mine";
          make(other).kept.text = "the other's";
          drafts.kept.text = "";  // sent
          const afterMine = [make(session).kept.text, make(other).kept.text, make().kept.text];
          make(other).kept.text = "";
          return [afterMine, make(session).kept.text, make(other).kept.text, make().kept.text];
        """
        assert run(page, "drafts kept", script) == [["", "the other's", "the other's"], "", "", ""]

    def test_a_tab_that_was_closed_leaves_its_text_to_the_next(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          drafts.kept.text = "half a";
          const next = new all.MemoryStorage();
          const found = make(next).kept.text;
          make(next).kept.text = "";  // sent there
          return [found, make().kept.text];
        """
        assert run(page, "drafts kept", script) == ["half a", ""]


class TestKeepingFresh:
    SET_UP = """
      globalThis.fetched = 0;
      globalThis.fetch = async () => { fetched += 1; return new Response("<p>"); };
      all.keepFresh(() => "/x", () => {});
    """

    def test_pages_that_came_together_do_not_ask_together(self, page: Page) -> None:
        script = """
          const ends = (first) => [0, 1].map((at) => all.pause(first, () => at));
          return [ends(true), ends(false)];
        """
        assert run(page, "fresh", script) == [[5_000, 25_000], [15_000, 25_000]]

    def test_it_asks_again_and_again_while_it_is_looked_at(self, page: Page) -> None:
        run(page, "fresh", self.SET_UP)
        for _ in range(100):
            page.clock.run_for(2_000)
        assert 7 <= page.evaluate("fetched") <= 14

    def test_a_hidden_page_asks_nothing_and_catches_up(self, page: Page) -> None:
        run(page, "fresh", self.SET_UP)
        hide(page, True)
        page.clock.run_for(300_000)
        assert page.evaluate("fetched") == 0
        hide(page, False)
        page.clock.run_for(100)
        assert page.evaluate("fetched") == 1
        for hidden in (True, False):
            hide(page, hidden)
        page.clock.run_for(4_900)  # it is still fresh
        assert page.evaluate("fetched") == 1
        page.clock.run_for(21_000)
        assert page.evaluate("fetched") > 1
