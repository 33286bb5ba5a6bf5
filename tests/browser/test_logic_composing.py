"""What is being written, its keeping, and calls that end: the logic without its page."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from chat.log.posts import as_kind
from tests.browser.modules import run

MODULES = "composing edits kept calls sendable slash socket"


class TestComposing:
    SET_UP = """
      const storage = new all.MemoryStorage(), session = new all.MemoryStorage();
      const keptIn = (tab, room = "r") => new all.Kept({storage, session: tab, room, user: 7});
      const NAMES = {label: (id, {name}) => name};
      const open = (tab = session) => new all.Composing(keptIn(tab), NAMES);
      const one = open();
      const look = ({mode, text, unsaved}) =>
        [mode?.type ?? null, mode?.message.id ?? null, text, unsaved?.text ?? null];
      const edited = (seq, text, more = {}) =>
        message(seq, {message: text, pos: 50, edited: "2026-11-22T10:00:00.000001Z", ...more});
      const gone = (seq) => message(seq, {message: "", pos: 50, deleted: "2026-11-22T10:00:00Z"});
    """

    def ask(self, page: Page, script: str) -> Any:
        return run(page, MODULES, self.SET_UP + script)

    def test_a_reply_and_its_text_come_back(self, page: Page) -> None:
        script = """
          one.reply(message(3));
          one.text = "half an answer";
          const back = open();
          return [look(back), back.label, look(open(new all.MemoryStorage()))];
        """
        back, label, elsewhere = self.ask(page, script)
        assert back == ["reply", 103, "half an answer", None]
        assert label == "Replying to Alice: text 3"
        assert elsewhere == [None, None, "half an answer", None]  # as ever, where a tab was closed

    def test_an_edit_comes_back_with_what_it_was_made_from_and_what_it_pushed_aside(
        self, page: Page
    ) -> None:
        script = """
          one.text = "half a thought";
          one.edit(edited(3, "text 3"));
          one.text = "text 3, and more";
          const back = open();
          const found = [look(back), back.mode.message.message, back.mode.message.edited];
          back.cancel();
          const cancelled = [look(back), look(open())];
          back.discard();
          return [...found, cancelled, look(back), look(open())];
        """
        found, text, when, cancelled, discarded, after = self.ask(page, script)
        assert found == ["edit", 103, "text 3, and more", None]
        assert (text, when) == ("text 3", "2026-11-22T10:00:00.000001Z")
        waits = [None, None, "half a thought", "text 3, and more"]
        assert cancelled == [waits, waits]
        assert discarded == after == [None, None, "half a thought", None]

    def test_an_edit_on_its_way_comes_back_into_an_empty_box(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.text = "saved?";
          const edit = one.save("saved?");
          const meanwhile = look(one);
          const left = look(open());
          one.saved(edit);
          return [meanwhile, left, look(open())];
        """
        empty = [None, None, "", None]
        assert self.ask(page, script) == [empty, ["edit", 103, "saved?", None], empty]

    def test_an_edit_on_its_way_does_not_come_back_over_what_is_written(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.save("saved?");
          one.text = "something new";
          const back = open();
          back.goOn();
          return [look(open()), look(back)];
        """
        assert self.ask(page, script)[1] == ["edit", 103, "saved?", None]

    def test_an_edit_that_had_been_saved_is_done_when_its_message_comes(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          const first = one.save("saved ");
          const back = open();
          const before = look(back);
          back.hear([edited(3, "saved")]);
          one.saved(first);
          one.edit(message(4));
          one.save("four");
          one.text = "something new";
          const other = open();
          const waits = other.unsaved.text;
          other.hear([edited(4, "four")]);
          return [before, look(back), waits, look(other)];
        """
        before, after, waits, other = self.ask(page, script)
        assert before == ["edit", 103, "saved ", None]
        assert after == [None, None, "", None]
        assert (waits, other) == ("four", [None, None, "something new", None])

    def test_another_text_is_held_against_ones_own(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.text = "mine";
          one.hear([message(9), edited(3, "theirs")]);
          const now = one.mode.now.message;
          const kept = open();
          kept.overrule();
          const over = kept.save("mine");
          one.takeOther();
          return [now, one.text, one.save("theirs"), over.message.message, over.message.edited,
                  over.text];
        """
        now, taken, nothing, base, when, text = self.ask(page, script)
        assert (now, taken, nothing) == ("theirs", "theirs", None)
        assert (base, when, text) == ("theirs", "2026-11-22T10:00:00.000001Z", "mine")

    def test_an_edit_in_which_nothing_was_changed_takes_the_other_text(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.hear([edited(3, "theirs")]);
          return [look(one), one.mode.now, one.save("theirs")];
        """
        assert self.ask(page, script) == [["edit", 103, "theirs", None], None, None]

    def test_a_reaction_is_no_other_text(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          const same = message(3, {pos: 60, reactions: {"👍": [8]}});
          one.hear([same]);
          const untouched = look(one);
          one.text = "mine";
          one.hear([{...same, pos: 61}]);
          return [untouched, one.mode.now, look(one)];
        """
        untouched, now, touched = self.ask(page, script)
        assert untouched == ["edit", 103, "text 3", None]
        assert (now, touched) == (None, ["edit", 103, "mine", None])

    def test_what_is_older_than_what_is_known_changes_nothing(self, page: Page) -> None:
        script = """
          one.edit(edited(3, "new"));
          one.text = "mine";
          one.hear([message(3)]);
          return one.mode.now;
        """
        assert self.ask(page, script) is None

    def test_what_was_looked_up_counts_whatever_its_place(self, page: Page) -> None:
        """A database that was put back may give a lower one; a conflict is shown all the same."""
        script = """
          one.edit(edited(3, "new"));
          const edit = one.save("mine");
          one.notSaved(edit, message(3));
          return [one.mode.now.message, look(one)];
        """
        assert self.ask(page, script) == ["text 3", ["edit", 103, "mine", None]]

    def test_an_edit_that_waits_hears_of_the_other_text_too(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.text = "mine";
          one.reply(message(4));
          one.hear([edited(3, "theirs")]);
          one.goOn();
          return [look(one), one.mode.now.message];
        """
        assert self.ask(page, script) == [["edit", 103, "mine", None], "theirs"]

    def test_to_edit_a_message_again_goes_on_with_its_edit(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.text = "half";
          one.edit(message(4));
          const waits = one.unsaved.text;
          one.edit(message(3));
          return [waits, look(one)];
        """
        assert self.ask(page, script) == ["half", ["edit", 103, "half", None]]

    def test_a_deleted_message_leaves_the_text_of_its_edit(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.text = "mine";
          one.hear([gone(3)]);
          const shown = [Boolean(one.mode.now.deleted), one.text];
          one.sent();
          return [shown, look(one)];
        """
        assert self.ask(page, script) == [[True, "mine"], [None, None, "", None]]

    def test_a_reply_says_that_its_target_is_gone(self, page: Page) -> None:
        script = """
          one.reply(message(3));
          one.text = "mine";
          one.hear([gone(3)]);
          return [one.label, look(one), open().label];
        """
        gone = "Replying to a deleted message"
        assert self.ask(page, script) == [gone, ["reply", 103, "mine", None], gone]

    @pytest.mark.parametrize("begin", ["reply", "edit"])
    def test_what_was_written_before_the_script_came_is_lost_with_nothing(
        self, page: Page, begin: str
    ) -> None:
        script = f"""
          one.text = "a thought";
          one.{begin}(message(3));
          one.text = {"one.text" if begin == "reply" else '"an edit"'};
          const back = open();
          back.begin("typed at once");
          return look(back);
        """
        mode = ["reply", 103] if begin == "reply" else [None, None]
        edit = None if begin == "reply" else "an edit"
        assert self.ask(page, script) == [*mode, "a thought\ntyped at once", edit]

    def test_an_action_is_edited_as_it_was_typed(self, page: Page) -> None:
        script = """
          one.edit(message(3, {kind: "action", message: "waves"}));
          return [one.text, one.save("/me waves")];
        """
        assert self.ask(page, script) == ["/me waves", None]

    def test_an_edit_that_one_goes_on_from_is_none_of_another(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          const first = one.save("two");
          one.edit(message(3));
          const begun = look(one);
          one.text = "two, three";
          one.hear([edited(3, "two")]);
          one.saved(first);
          const second = one.save("two, three");
          return [begun, one.mode, second.message.edited];
        """
        begun, mode, based_on = self.ask(page, script)
        assert begun == ["edit", 103, "two", None]
        assert (mode, based_on) == (None, "2026-11-22T10:00:00.000001Z")

    def test_an_edit_that_waits_for_the_one_before_it_is_made_from_what_that_came_to(
        self, page: Page
    ) -> None:
        script = """
          one.edit(message(3));
          const first = one.save("two");
          one.edit(message(3));
          const second = one.save("three");
          one.hear([edited(3, "two")]);
          one.saved(first);
          return [second.message.edited, look(open())];
        """
        assert self.ask(page, script) == [
            "2026-11-22T10:00:00.000001Z",
            ["edit", 103, "three", None],
        ]

    def test_an_edit_back_to_the_text_of_before_is_saved_too(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.save("two");
          one.edit(message(3));
          const nothing = one.save("two");
          one.edit(message(3));
          return [nothing, one.save("text 3")?.text];
        """
        assert self.ask(page, script) == [None, "text 3"]

    def test_an_edit_that_fails_does_not_come_back_beside_the_one_after_it(
        self, page: Page
    ) -> None:
        script = """
          one.edit(message(3));
          const first = one.save("two");
          one.edit(message(3));
          one.notSaved(first);
          const failed = look(one);
          one.cancel();
          const waits = look(one);
          one.goOn();
          return [failed, waits, one.save("two").text];
        """
        assert self.ask(page, script) == [
            ["edit", 103, "two", None],
            [None, None, "", "two"],
            "two",
        ]

    @pytest.mark.parametrize("own", ["/me  waves", "/me waves  ", "waves", "/me \u200b"])
    def test_an_action_is_compared_as_the_server_takes_it(self, page: Page, own: str) -> None:
        text = as_kind(own.rstrip())[1]
        script = f"""
          const [own, text] = {json.dumps([own, text])};
          one.edit(message(3, {{kind: "action", message: "sleeps"}}));
          one.text = own;
          one.hear([edited(3, text, {{kind: "action"}})]);
          return look(one);
        """
        assert self.ask(page, script) == [None, None, "", None]

    def test_an_edit_of_a_tab_that_was_closed_is_offered_by_the_next(self, page: Page) -> None:
        script = """
          one.edit(message(3));
          one.text = "mine";
          const next = open(new all.MemoryStorage());
          const offered = look(next);
          next.goOn();
          const begun = look(next);
          next.saved(next.save("mine"));
          return [offered, begun, look(open(new all.MemoryStorage()))];
        """
        assert self.ask(page, script) == [
            [None, None, "", "mine"],
            ["edit", 103, "mine", None],
            [None, None, "", None],
        ]

    def test_two_tabs_leave_each_its_edits_and_none_that_is_done(self, page: Page) -> None:
        script = """
          const other = open(new all.MemoryStorage());
          one.edit(message(3));
          one.text = "three";
          other.edit(message(4));
          other.text = "four";
          const both = [look(one), look(other)];
          one.saved(one.save("three"));
          const done = look(other);
          one.discard();
          return [both, done, look(open(new all.MemoryStorage())), look(other)];
        """
        both, done, after, other = self.ask(page, script)
        assert both == [["edit", 103, "three", "four"], ["edit", 104, "four", "three"]]
        assert done == other == ["edit", 104, "four", None]
        assert after == [None, None, "", None]

    def test_an_edit_in_which_nothing_was_changed_is_nobodys(self, page: Page) -> None:
        script = "one.edit(message(3)); return look(open(new all.MemoryStorage()));"
        assert self.ask(page, script) == [None, None, "", None]

    def test_rooms_do_not_mix_and_a_room_that_is_opened_anew_takes_it_along(
        self, page: Page
    ) -> None:
        script = """
          one.edit(message(3));
          one.text = "mine";
          const kept = keptIn(session);
          kept.follow("r2");
          return [keptIn(session).composing, look(new all.Composing(keptIn(session, "r2"), NAMES))];
        """
        assert self.ask(page, script) == [None, ["edit", 103, "mine", None]]

    @pytest.mark.parametrize("junk", ["", "{", "3", "null", '{"mode": 3}', '{"unsaved": 7}', "[]"])
    def test_what_is_not_ours_is_left_alone(self, page: Page, junk: str) -> None:
        script = f"session.setItem('chat:composing:#r:7', {junk!r}); return look(open());"
        assert self.ask(page, script) == [None, None, "", None]


class TestKeeping:
    SET_UP = """
      class Full {  // takes so much a value, and no more
        constructor(most) { Object.defineProperty(this, "most", {value: most, writable: true}); }
        getItem(key) { return this[key] ?? null; }
        setItem(key, value) {
          if (value.length > this.most) throw new DOMException("", "QuotaExceededError");
          this[key] = String(value);
        }
        removeItem(key) { delete this[key]; }
      }
      const keep = (storage, session) => new all.Kept({storage, session, room: "r", user: 7});
    """

    def ask(self, page: Page, script: str) -> Any:
        return run(page, MODULES, self.SET_UP + script)

    def test_a_tab_whose_storage_is_full_leaves_its_text_to_the_other(self, page: Page) -> None:
        script = """
          const storage = new Full(100), session = new Full(3);
          keep(storage, session).text = "hel";
          const kept = keep(storage, session);
          kept.text = "hello";
          return [kept.isAtRisk, keep(storage, session).text];
        """
        assert self.ask(page, script) == [False, "hello"]

    def test_where_all_is_full_what_fitted_is_still_there_and_one_can_ask(self, page: Page) -> None:
        script = """
          const storage = new Full(3), session = new Full(3);
          const kept = keep(storage, session);
          const risks = ["hel", "hello", ""].map((text) => {
            kept.text = text;
            return [kept.isAtRisk, keep(storage, session).text];
          });
          return risks;
        """
        assert self.ask(page, script) == [[False, "hel"], [True, "hel"], [False, ""]]

    def test_what_cannot_be_kept_is_written_all_the_same(self, page: Page) -> None:
        script = """
          const kept = keep(new Full(0), new Full(0));
          const one = new all.Composing(kept, {label: (id, {name}) => name});
          one.text = "a thought";
          one.edit(message(3));
          one.text = "mine";
          const edit = one.save("mine");
          const text = one.text;
          one.text = "";
          one.notSaved(edit);
          const shown = [text, one.mode.type, one.text, one.isAtRisk];
          one.cancel();
          const waits = one.isAtRisk;
          one.discard();
          return [...shown, waits, one.isAtRisk];
        """
        assert self.ask(page, script) == ["a thought", "edit", "mine", True, True, False]

    def test_a_message_that_is_not_kept_is_at_risk_until_it_is_confirmed(self, page: Page) -> None:
        script = """
          const kept = keep(new Full(0), new Full(100));
          kept.keep({client_id: "a", message: "m", reply_to: null, at: 1});
          const before = kept.isAtRisk;
          kept.remove("a");
          return [before, kept.isAtRisk];
        """
        assert self.ask(page, script) == [True, False]

    def test_a_storage_that_only_stands_in_keeps_nothing(self, page: Page) -> None:
        script = """
          const kept = keep(new all.MemoryStorage(), new all.MemoryStorage());
          kept.text = "a";
          return [kept.isAtRisk, kept.text];
        """
        assert self.ask(page, script) == [True, "a"]


class TestCalls:
    SET_UP = """
      globalThis.ended = [];
      globalThis.sent = [];
      globalThis.calls = new all.Calls((frame) => (sent.push(frame), true));
      const ask = (command) => calls.call(command).then(
        (frame) => ended.push(frame.type), ({code, message}) => ended.push([code, message]));
      const settled = () => new Promise((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
    """
    UNSURE = "It is not known whether this was saved."

    def test_one_that_is_not_answered_ends_and_says_that_nobody_knows(self, page: Page) -> None:
        run(page, MODULES, self.SET_UP + 'ask({type: "chat.edit"});')
        page.clock.run_for(11_900)
        assert page.evaluate("ended") == []
        page.clock.run_for(200)
        ((code, words),) = page.evaluate("ended")
        assert code == "unsure"
        assert self.UNSURE in words
        page.evaluate("calls.receive({type: 'chat.edited', ref: sent[0].ref})")  # too late
        assert len(page.evaluate("ended")) == 1

    def test_one_that_is_answered_ends_once(self, page: Page) -> None:
        script = """
          ask({type: "chat.edit"});
          ask({type: "chat.edit", ref: "mine"});
          calls.receive({type: "chat.edited", ref: sent[0].ref});
          calls.receive({type: "error", code: "conflict", detail: "No.", ref: "mine"});
        """
        run(page, MODULES, self.SET_UP + script)
        page.clock.run_for(20_000)
        assert page.evaluate("ended") == ["chat.edited", ["conflict", "No."]]

    def test_all_end_with_the_connection(self, page: Page) -> None:
        script = """
          ask({type: "chat.edit"});
          ask({type: "chat.delete"});
          calls.disconnected();
          await settled();
          return ended;
        """
        ended = run(page, MODULES, self.SET_UP + script)
        assert [code for code, _ in ended] == ["unsure", "unsure"]
        assert all(self.UNSURE in words for _, words in ended)

    def test_one_that_was_not_sent_says_so(self, page: Page) -> None:
        script = """
          globalThis.calls = new all.Calls(() => false);
          ask({type: "chat.edit"});
          await settled();
          return ended;
        """
        assert run(page, MODULES, self.SET_UP + script)[0][0] == "unsent"


class TestWhatIsSent:
    def test_every_text_leaves_as_unicode(self, page: Page) -> None:
        script = """
          const socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
          socket.connect();
          Wire.all[0].says(page([1]));
          socket.send({type: "chat.edit", id: 1, message: "a\\ud800b\\udc00", deep: ["\\ud83d"],
                       good: "😀\\ufffd", ref: "c1", none: null, nul: "a\\0b"});
          return Wire.all[0].sent[0];
        """
        assert run(page, MODULES, script) == {
            "type": "chat.edit",
            "id": 1,
            "message": "a\ufffdb\ufffd",
            "deep": ["\ufffd"],
            "good": "😀\ufffd",
            "ref": "c1",
            "none": None,
            "nul": "ab",
        }

    def test_a_word_after_a_slash_is_asked_about_unless_it_is_a_path_or_a_command(
        self, page: Page
    ) -> None:
        asked = ["/shrug", "/help me", "/Me waves", "/giphy\ncat", "/remind-me later", "/über all"]
        plain = ["/me", "/me waves", "/etc/passwd is a file", "//x", "/", "/ x", "a /b", " /x", ""]
        plain += ["/24 is a small net", "/srv/a/b", "/bin.", "/👍"]
        script = "return input.map((text) => all.unknownCommand(text));"
        words = [text.split()[0] for text in asked]
        assert run(page, MODULES, script, asked + plain) == words + [None] * len(plain)


class TestOffline:
    SET_UP = """
      globalThis.wires = Wire.all;
      globalThis.socket = new all.ChatSocket("/x", () => 1, (url) => new Wire(url));
      globalThis.seen = [];
      socket.addEventListener("state", () => seen.push([socket.state, socket.isDoubtful]));
      socket.connect();
    """
    OPEN = "Wire.all[0].says(page([1])); seen.length = 0; socket.networkLost();"

    def test_a_connection_that_answers_is_not_doubted(self, page: Page) -> None:
        run(page, MODULES, self.SET_UP + self.OPEN)
        page.clock.run_for(1_400)
        page.evaluate("wires[0].says({type: 'pong', ref: 1})")
        page.clock.run_for(10_000)
        assert page.evaluate("seen") == []

    def test_one_that_does_not_is_doubted_within_two_seconds_and_trusted_when_it_does(
        self, page: Page
    ) -> None:
        run(page, MODULES, self.SET_UP + self.OPEN)
        page.clock.run_for(1_600)
        assert page.evaluate("seen") == [["open", True]]
        assert page.evaluate("socket.send({type: 'ping'})")  # it is not thrown away
        page.evaluate("wires[0].says({type: 'pong', ref: 1})")
        assert page.evaluate("seen") == [["open", True], ["open", False]]
        page.clock.run_for(19_000)
        assert page.evaluate("[wires.length, seen.length]") == [1, 2]

    def test_one_that_stays_silent_is_left(self, page: Page) -> None:
        offline = "Object.defineProperty(navigator, 'onLine', {value: false, configurable: true});"
        run(page, MODULES, offline + self.SET_UP + self.OPEN)
        page.clock.run_for(8_100)
        assert page.evaluate("seen") == [["open", True], ["offline", False]]

    def test_one_that_is_only_being_made_is_given_up_as_fast(self, page: Page) -> None:
        offline = "Object.defineProperty(navigator, 'onLine', {value: false, configurable: true});"
        run(page, MODULES, offline + self.SET_UP + "socket.networkLost();")
        page.clock.run_for(1_600)
        assert page.evaluate("socket.state") == "offline"
