"""A room's log in one process: whatever arrives in whatever order leaves in order, once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from chat.live import tail
from chat.live.feed import Feed
from chat.live.outbox import Parcel
from chat.live.tail import in_frames, newest_that_fit
from chat.log.history import Missed, Page
from chat.protocol import frames
from chat.protocol.changes import (
    DELETED,
    EDITED,
    POSTED,
    REACTED,
    Change,
    MessageState,
    Person,
    change_of,
)
from tests.support.sockets import CHANGES, Frame, Log

LONG_AGO = datetime(2026, 11, 22, tzinfo=UTC)
ROOM = frames.RoomFields(id=1, slug="lobby", title="", topic="", kind="open")


class Database:
    """What PostgreSQL would say: every message's present state, and the head."""

    def __init__(self) -> None:
        self.head = 0
        self.by_id: dict[int, MessageState] = {}

    def post(self, text: str = "hello") -> Change:
        pk = len(self.by_id) + 1
        return self._keep(
            POSTED,
            MessageState(
                id=pk,
                seq=pk,
                pos=self.head + 1,
                client_id=UUID(int=pk),
                user=Person(7, "Mia"),
                message=text,
                created=LONG_AGO,
            ),
        )

    def edit(self, pk: int) -> Change:
        return self._change(pk, EDITED, message=f"edited at {self.head + 1}", edited=LONG_AGO)

    def delete(self, pk: int) -> Change:
        return self._change(pk, DELETED, message="", deleted=LONG_AGO)

    def react(self, pk: int) -> Change:
        return self._change(pk, REACTED, reactions={"👍": [self.head + 1]})

    def page(self, limit: int) -> Page:
        newest = sorted(self.by_id.values(), key=lambda state: state.seq)
        return Page([change_of(POSTED, s) for s in newest[-limit:]], len(newest) > limit, self.head)

    def since(self, cursor: int, limit: int) -> Missed:
        net = sorted((s for s in self.by_id.values() if s.pos > cursor), key=lambda s: s.pos)
        return Missed([change_of(_kind(s), s) for s in net[:limit]], len(net) <= limit, self.head)

    def _change(self, pk: int, kind: str, **fields: Any) -> Change:
        was = {name: getattr(self.by_id[pk], name) for name in MessageState.__struct_fields__}
        return self._keep(kind, MessageState(**{**was, **fields, "pos": self.head + 1}))

    def _keep(self, kind: str, state: MessageState) -> Change:
        self.head = state.pos
        self.by_id[state.id] = state
        return change_of(kind, state)


def _kind(state: MessageState) -> str:
    if state.deleted:
        return DELETED
    return EDITED if state.edited else POSTED


class Reader:
    """A connection that keeps what it gets by the protocol's rules."""

    def __init__(self, log: Log | None = None) -> None:
        self.log = log or Log()
        self.log.connected()
        self.frames: list[Frame] = []
        self.answered: list[Any] = []
        self.feed: Feed | None = None

    def push(self, parcel: Parcel) -> None:
        for one in parcel.objects:
            self._take(json.loads(one))

    def show(self, states: list[bytes], mode: str, head: int) -> None:
        page = frames.history(ROOM, {}, states, head=head, more=True, mode=mode)
        self._take(json.loads(page))

    def show_page(self, feed: Feed, mode: str) -> None:
        self.show(feed.page()[0], mode, feed.head)

    def join(self, feed: Feed) -> None:
        self.feed = feed
        feed.connections.add(self)  # type: ignore[arg-type]

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if "ref" in frame:
            self.answered.append(frame["ref"])
            if frame["pos"] <= (self.log.cursor or 0):
                return  # asked for again
        self.log.take(frame)

    @property
    def places(self) -> list[int]:
        return [frame["pos"] for frame in self.frames if frame["type"] in CHANGES]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def room(database: Database) -> Feed:
    """Open, and empty."""
    room = Feed(1)
    room.open(database.page(50))
    return room


@pytest.fixture
def reader(room: Feed) -> Reader:
    reader = Reader()
    reader.show_page(room, "page")
    reader.join(room)
    return reader


def test_what_is_next_in_line_is_delivered_at_once(
    database: Database, room: Feed, reader: Reader
) -> None:
    for pos in (1, 2, 3):
        room.offer([database.post()])
        assert reader.places[-1] == pos


def test_what_was_seen_is_dropped(database: Database, room: Feed, reader: Reader) -> None:
    changes = [database.post(), database.post()]
    room.offer(changes)
    room.offer(changes)
    room.offer(changes[:1])
    assert reader.places == [1, 2]


def test_what_comes_after_a_hole_waits_for_it(
    database: Database, room: Feed, reader: Reader
) -> None:
    first, second, third = database.post(), database.post(), database.post()
    room.offer([third])
    room.offer([second])
    assert reader.places == []
    assert room.has_hole
    room.offer([first])
    assert reader.places == [1, 2, 3]
    assert not room.has_hole


def test_a_hole_is_filled_from_the_database_net(
    database: Database, room: Feed, reader: Reader
) -> None:
    database.post()
    database.edit(1)
    third = database.post()
    room.offer([third])
    room.fill(database.since(room.head, limit=500))
    assert reader.places == [2, 3]
    assert reader.frames[-2]["message"] == "edited at 2"
    assert not room.has_hole


def test_a_message_that_nobody_saw_before_is_shown_as_a_message_even_when_edited_since(
    database: Database, room: Feed, reader: Reader
) -> None:
    room.offer([database.post()])
    database.post()
    database.edit(1)
    database.edit(2)
    room.fill(database.since(room.head, limit=500))
    assert [frame["type"] for frame in reader.frames[1:]] == [
        "chat.message",
        "chat.edited",
        "chat.message",
    ]


def test_an_old_read_does_not_take_the_log_back(
    database: Database, room: Feed, reader: Reader
) -> None:
    first = database.post()
    old, old_page = database.since(0, limit=500), database.page(50)
    second = database.post()
    room.offer([first, second])
    room.fill(old)
    assert room.open(old_page) is False
    assert (room.head, reader.places) == (2, [1, 2])


def test_a_fresh_page_comes_before_anything_after_it(database: Database, room: Feed) -> None:
    """Who is cut off between the two would come back with a cursor that skips the page."""
    reader = Reader()
    reader.show_page(room, "page")
    reader.join(room)
    for _ in range(5):
        database.post()
    page = database.page(50)
    room.offer([database.post()])
    assert room.open(page) is True
    assert reader.places == []
    reader.show_page(room, "reset")
    assert reader.frames[-1]["head"] == 6
    assert len(reader.frames[-1]["messages"]) == 6


def test_the_page_is_the_newest_messages_as_they_are_now(
    database: Database, settings: Settings
) -> None:
    settings.CHAT_HISTORY_PAGE = 3
    room = Feed(1)
    room.open(database.page(3))
    for _ in range(5):
        room.offer([database.post()])
    room.offer([database.edit(4), database.edit(1)])
    states, more = room.page()
    assert [json.loads(state)["seq"] for state in states] == [3, 4, 5]
    assert json.loads(states[1])["message"] == "edited at 6"
    assert more


def test_a_page_is_cut_to_what_fits_a_frame_and_says_that_more_exist(
    database: Database, room: Feed, settings: Settings
) -> None:
    settings.CHAT_FRAME_OUT_MAX = 20_000
    for _ in range(10):
        room.offer([database.post("x" * 3_000)])
    states, more = room.page()
    assert more
    assert 1 <= len(states) < 10
    assert json.loads(states[-1])["seq"] == 10
    assert sum(map(len, states)) < 20_000


def test_one_message_larger_than_a_frame_is_shown_all_the_same(settings: Settings) -> None:
    settings.CHAT_FRAME_OUT_MAX = 5_000
    assert newest_that_fit([b"a", b"b" * 10_000]) == [b"b" * 10_000]


def test_catch_up_is_cut_into_frames_that_leave_the_cursor_right(
    database: Database, settings: Settings
) -> None:
    settings.CHAT_FRAME_OUT_MAX = 20_000
    changes = [database.post("x" * 3_000) for _ in range(20)]
    pieces = in_frames(changes)
    assert [change for piece in pieces for change in piece] == changes
    assert len(pieces) > 1
    assert all(4_096 + sum(len(c.state) + 1 for c in piece) <= 20_000 for piece in pieces)
    assert in_frames([]) == [[]]


def test_catch_up_is_net_and_known_back_to_a_floor(database: Database, room: Feed) -> None:
    room.offer([database.post(), database.post(), database.edit(1)])
    assert [change.pos for change in room.since(0) or ()] == [2, 3]
    assert [change.pos for change in room.since(2) or ()] == [3]
    assert room.since(3) == []


def test_what_is_kept_is_bounded_and_the_rest_is_said_to_be_unknown(
    database: Database, room: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "KEPT", 10)
    for _ in range(30):
        room.offer([database.post()])
    assert room.floor == 20
    assert room.since(19) is None
    assert [change.pos for change in room.since(20) or ()] == list(range(21, 31))
    monkeypatch.setattr(tail, "KEPT_BYTES", 5_000)
    room.offer([database.post("x" * 2_000) for _ in range(10)])
    assert sum(len(change.state) for change in room.since(room.floor) or ()) <= 5_000


def test_what_the_database_remembers_lengthens_the_catch_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        database.post()
    room = Feed(1)
    room.open(database.page(3))
    assert room.since(4) is None
    room.offer([database.edit(9)])
    room.remember(database.since(4, limit=500), 4)
    assert [change.pos for change in room.since(4) or ()] == [5, 6, 7, 8, 10, 11]


def test_an_incomplete_read_lengthens_nothing(database: Database) -> None:
    for _ in range(10):
        database.post()
    room = Feed(1)
    room.open(database.page(3))
    room.remember(database.since(4, limit=2), 4)
    assert room.since(4) is None


def test_what_waits_for_a_hole_is_bounded(
    database: Database, room: Feed, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "PENDING", 5)
    database.post()
    for _ in range(50):
        room.offer([database.post()])
    assert len(room.waiting) == 5
    room.fill(database.since(room.head, limit=500))
    assert reader.places == list(range(1, 52))


# -- answers ----------------------------------------------------------------------------------


def test_the_sender_gets_its_ref_with_its_change_and_the_others_do_not(
    database: Database, room: Feed, reader: Reader
) -> None:
    sender = Reader()
    sender.show_page(room, "page")
    sender.join(room)
    room.offer([database.post(), database.post()], {2: (sender, "mine")})  # type: ignore[dict-item]
    assert (sender.places, sender.answered) == ([1, 2], ["mine"])
    assert sender.frames[-1]["ref"] == "mine"
    assert (reader.places, reader.answered) == ([1, 2], [])


def test_a_ref_is_answered_after_a_hole_too(database: Database, room: Feed, reader: Reader) -> None:
    others, mine = database.post(), database.post()
    room.offer([mine], {2: (reader, "mine")})  # type: ignore[dict-item]
    assert reader.answered == []
    room.offer([others])
    assert (reader.places, reader.answered) == ([1, 2], ["mine"])


def test_a_ref_is_answered_where_the_hole_was_filled_net_and_the_change_was_changed_again(
    database: Database, room: Feed, reader: Reader
) -> None:
    database.post()
    mine = database.edit(1)
    database.edit(1)
    room.offer([mine], {2: (reader, "mine")})  # type: ignore[dict-item]
    room.fill(database.since(room.head, limit=500))
    assert (reader.places, reader.answered) == ([2, 3], ["mine"])


def test_a_ref_is_answered_where_the_change_had_been_read_from_the_database_before(
    database: Database, room: Feed, reader: Reader
) -> None:
    mine = database.post()
    room.fill(database.since(room.head, limit=500))
    room.offer([mine], {1: (reader, "mine")})  # type: ignore[dict-item]
    assert reader.answered == ["mine"]
    assert not room.has_hole


def test_a_repeat_is_not_answered_ahead_of_what_was_not_delivered_yet(
    database: Database, room: Feed, reader: Reader
) -> None:
    """Its `pos` would become the client's cursor, and what lies before it would be lost."""
    database.post()
    mine = database.post()
    room.answer(mine, reader, "again")  # type: ignore[arg-type]
    assert reader.frames[1:] == []
    assert room.has_hole
    room.fill(database.since(room.head, limit=500))
    assert (reader.places, reader.answered) == ([1, 2], ["again"])
    assert not room.has_hole


def test_each_of_two_answers_about_one_change_is_given(
    database: Database, room: Feed, reader: Reader
) -> None:
    database.post()
    mine = database.post()
    room.offer([mine], {2: (reader, "post")})  # type: ignore[dict-item]
    room.answer(mine, reader, "repeat")  # type: ignore[arg-type]
    room.fill(database.since(room.head, limit=500))
    assert reader.answered == ["post", "repeat"]


def test_an_answer_for_somebody_who_left_is_forgotten(
    database: Database, room: Feed, reader: Reader
) -> None:
    room.connections.clear()
    room.answer(database.post(), reader, "gone")  # type: ignore[arg-type]
    room.fill(database.since(room.head, limit=500))
    assert not room.has_hole
    assert reader.answered == []


# -- everything at once -----------------------------------------------------------------------


class Interleaving(RuleBasedStateMachine):
    """Commits, and what a bad network makes of them, until all is quiet: then all must agree."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = [
            mock.patch.object(tail, "KEPT", 6),
            mock.patch.object(tail, "PENDING", 8),
            mock.patch.object(tail.settings, "CHAT_HISTORY_PAGE", 4),
        ]
        for patch in self._stack:
            patch.start()
        self.database = Database()
        self.feed = Feed(1)
        self.feed.open(self.database.page(4))
        self.on_its_way: list[Change] = []
        self.being_read: list[Callable[[], None]] = []
        self.readers: list[Reader] = []
        self.cut: list[Log] = []
        self.asked: dict[Reader, list[str]] = {}
        self.refs = 0

    def teardown(self) -> None:
        try:
            self._quiet()
        finally:
            for patch in self._stack:
                patch.stop()

    # What people do.

    @rule(what=st.sampled_from(["post", "post", "edit", "delete", "react"]), n=st.integers(0))
    def commit(self, what: str, n: int) -> None:
        if what == "post" or not self.database.by_id:
            change = self.database.post()
        else:
            change = getattr(self.database, what)(n % len(self.database.by_id) + 1)
        self.on_its_way.append(change)

    @precondition(lambda self: self.readers)
    @rule(n=st.integers(0))
    def commit_here(self, n: int) -> None:
        """Of this process: it is told at once, with the one who asked."""
        change, reader = self.database.post(), self._one(self.readers, n)
        self.feed.offer([change], {change.pos: (reader, self._ref(reader))})

    @precondition(lambda self: self.readers and self.database.by_id)
    @rule(n=st.integers(0), m=st.integers(0))
    def resend(self, n: int, m: int) -> None:
        state = self._one(list(self.database.by_id.values()), n)
        reader = self._one(self.readers, m)
        self.feed.answer(change_of(POSTED, state), reader, self._ref(reader))

    # What the network makes of it.

    @precondition(lambda self: self.on_its_way)
    @rule(n=st.integers(0), again=st.booleans(), count=st.integers(1, 3))
    def arrive(self, n: int, again: bool, count: int) -> None:
        n %= len(self.on_its_way)
        arriving = self.on_its_way[n : n + count]
        if not again:
            del self.on_its_way[n : n + count]
        self.feed.offer(arriving)

    @precondition(lambda self: self.on_its_way)
    @rule(n=st.integers(0))
    def lose(self, n: int) -> None:
        del self.on_its_way[n % len(self.on_its_way)]

    # What the hub does about it.

    @rule(limit=st.sampled_from([2, 500]))
    def begin_repair(self, limit: int) -> None:
        missed = self.database.since(self.feed.head, limit)
        page = self.database.page(4)

        def finish() -> None:
            if missed.complete:
                self.feed.fill(missed)
            elif self.feed.open(page):
                for reader in self.readers:
                    reader.show_page(self.feed, "reset")
                self.feed.settle()

        self.being_read.append(finish)

    @precondition(lambda self: self.feed.floor)
    @rule(back=st.integers(1, 10))
    def begin_reaching_back(self, back: int) -> None:
        since = max(0, self.feed.floor - back)
        missed = self.database.since(since, 500)
        self.being_read.append(lambda: self.feed.remember(missed, since))

    @precondition(lambda self: self.being_read)
    @rule(n=st.integers(0))
    def finish_reading(self, n: int) -> None:
        self.being_read.pop(n % len(self.being_read))()

    # Who comes and goes.

    @rule()
    def connect(self) -> None:
        self._join(Log())

    @precondition(lambda self: self.readers)
    @rule(n=st.integers(0))
    def cut_off(self, n: int) -> None:
        reader = self.readers.pop(n % len(self.readers))
        self.feed.connections.discard(reader)  # type: ignore[arg-type]
        self.cut.append(reader.log)

    @precondition(lambda self: self.cut)
    @rule(n=st.integers(0))
    def come_back(self, n: int) -> None:
        self._join(self.cut.pop(n % len(self.cut)))

    @invariant()
    def the_log_is_what_it_says(self) -> None:
        net = self.feed.since(self.feed.floor)
        assert net is not None
        assert [change.pos for change in net] == sorted(change.pos for change in net)
        assert len({change.id for change in net}) == len(net)
        assert all(self.feed.floor < change.pos <= self.feed.head for change in net)
        assert self.feed.head <= self.database.head

    def _join(self, log: Log) -> None:
        reader = Reader(log)
        missed = None if log.cursor is None else self.feed.since(log.cursor)
        if missed is None or (log.cursor or 0) > self.feed.head:
            reader.show_page(self.feed, "page" if log.cursor is None else "reset")
        else:
            reader.show([change.state for change in missed], "since", self.feed.head)
        reader.join(self.feed)
        self.readers.append(reader)

    def _quiet(self) -> None:
        """All that is read arrives, and the heads are compared."""
        for finish in self.being_read:
            finish()
        self.feed.fill(self.database.since(self.feed.head, 10**6))
        for log in self.cut:
            self._join(log)
        assert not self.feed.has_hole
        for reader in self.readers:
            assert reader.log.cursor == self.database.head
            for pk, held in reader.log.messages.items():
                state = self.database.by_id[pk]
                assert (held["pos"], held["message"]) == (state.pos, state.message)
            held_seqs = [m["seq"] for m in reader.log.messages.values()]
            newest = range(len(self.database.by_id), 0, -1)[:4]
            assert set(newest) <= set(held_seqs)
            assert sorted(reader.answered) == sorted(self.asked.get(reader, []))

    def _ref(self, reader: Reader) -> str:
        self.refs += 1
        ref = f"{self.refs:06}"
        self.asked.setdefault(reader, []).append(ref)
        return ref

    @staticmethod
    def _one(among: list[Any], n: int) -> Any:
        return among[n % len(among)]


def test_whatever_is_lost_doubled_late_or_cut_off_everybody_ends_with_the_same() -> None:
    run_state_machine_as_test(
        Interleaving,
        settings=hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None),
    )
