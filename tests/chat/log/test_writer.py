"""Group commit against the real database: together where it can be, alone where it must be."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import DataError, OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper
from pytest_django import Settings

from chat.factories import MessageFactory
from chat.log import apply, writer
from chat.log.write import ReadTo, Write
from chat.log.writer import Writer
from chat.models import Message, Room
from chat.protocol.changes import Change, Repeated
from chat.protocol.commands import Delete, Edit, Post, React, Read
from chat.protocol.errors import Refused
from tests.support.sockets import PATIENCE, Cast, cast_of

pytestmark = pytest.mark.usefixtures("transactional_db")

Written = list[tuple[Write, Any, Any]]


@pytest.fixture
def cast() -> Cast:
    return cast_of()


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were applied."""
    sizes: list[int] = []
    real = apply.apply

    def applied(writes: Sequence[Write], unsure: Any = None) -> Any:
        sizes.append(len(writes))
        return real(writes, unsure)

    monkeypatch.setattr(apply, "apply", applied)
    return sizes


def run(writes: Sequence[Write], *, then: Callable[[Writer], Any] | None = None) -> Written:
    """Submit `writes` at once, and return what was announced: each with its place as the origin."""
    written: Written = []

    async def submit() -> None:
        one = Writer(written.extend)
        for n, write in enumerate(writes):
            one.submit(write, n)
        if then is not None:
            await asyncio.to_thread(then, one)
        async with asyncio.timeout(PATIENCE * 2):
            await one.drain()

    asyncio.run(submit())
    return written


def outcomes(written: Written) -> list[Any]:
    return [outcome for _, _, outcome in sorted(written, key=lambda each: each[1])]


def posts(cast: Cast, *texts: str) -> list[Write]:
    return [Write(cast.room.pk, cast.member.pk, Post(message=text)) for text in texts]


@contextmanager
def another() -> Iterator["psycopg.Connection[Any]"]:
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{n: parameters[n] for n in names if n in parameters}) as made:
        yield made


def test_every_job_has_its_outcome_with_its_origin_in_order(cast: Cast) -> None:
    written = run(posts(cast, *map(str, range(20))))
    assert [origin for _, origin, _ in written] == list(range(20))
    assert [outcome.seq for _, _, outcome in written] == list(range(1, 21))


def test_whatever_waits_goes_into_one_transaction_over_several_rooms(
    cast: Cast, batches: list[int]
) -> None:
    """The first may go alone; what gathers while it is written goes together."""
    others = [cast_of() for _ in range(3)]
    writes = [write for n in range(20) for one in (cast, *others) for write in posts(one, str(n))]
    written = run(writes)
    assert all(isinstance(outcome, Change) for outcome in outcomes(written))
    assert sum(batches) == 80
    assert len(batches) <= 3


def test_a_batch_has_a_bound(
    cast: Cast, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH_MAX", 10)
    run(posts(cast, *map(str, range(35))))
    assert max(batches) == 10


def test_a_poisoned_command_fails_alone(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "chat.log.writer")
    message = MessageFactory(room=cast.room)
    writes = posts(cast, "one", "poison \0", "two")
    writes.insert(1, Write(cast.room.pk, cast.owner.pk, React(id=message.pk, emoji="👍")))
    one, reaction, poisoned, two = outcomes(run(writes))
    assert isinstance(poisoned, Refused)
    assert poisoned.code == "bad_command"
    assert [one.pos, reaction.pos, two.pos] == [2, 3, 4]
    saved = Message.objects.filter(room=cast.room, author=cast.member).order_by("seq")
    assert [message.body for message in saved] == ["one", "two"]


def test_two_senders_of_one_client_id_at_once_in_two_processes_make_one_message(
    cast: Cast,
) -> None:
    written: list[Written] = [[] for _ in range(4)]
    commands = [Post(message=str(n), client_id=uuid4()) for n in range(25)]

    async def resend() -> None:
        writers = [Writer(each.extend) for each in written]
        for command in commands:
            for one in writers:
                one.submit(Write(cast.room.pk, cast.member.pk, command), None)
            await asyncio.sleep(0.001)
        await asyncio.gather(*(one.drain() for one in writers))

    asyncio.run(resend())
    assert Message.objects.filter(room=cast.room).count() == 25
    for n in range(25):
        answers = [each[n][2] for each in written]
        first = [answer for answer in answers if isinstance(answer, Change)]
        repeats = [answer.change for answer in answers if isinstance(answer, Repeated)]
        assert (len(first), len(repeats)) == (1, 3)
        assert {(change.id, change.seq) for change in repeats} == {(first[0].id, first[0].seq)}
    cast.room.refresh_from_db()
    assert (cast.room.head, cast.room.message_count) == (25, 25)


def test_writers_of_several_processes_number_one_room_without_holes(cast: Cast) -> None:
    written: Written = []

    async def write() -> None:
        writers = [Writer(written.extend) for _ in range(3)]
        for n in range(60):
            writers[n % 3].submit(posts(cast, str(n))[0], n)
            await asyncio.sleep(0.0005)
        await asyncio.gather(*(one.drain() for one in writers))

    asyncio.run(write())
    assert sorted(outcome.pos for outcome in outcomes(written)) == list(range(1, 61))


@pytest.mark.parametrize("state", ["40001", "40P01", "57P01", "08006"])
def test_what_may_succeed_the_next_time_is_tried_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    real, tries = apply.apply, 0

    def applied(writes: Sequence[Write], unsure: Any = None) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
        return real(writes, unsure)

    monkeypatch.setattr(apply, "apply", applied)
    (outcome,) = outcomes(run(posts(cast, "hello")))
    assert isinstance(outcome, Change)
    assert tries == 3


def test_a_real_deadlock_costs_nobody_a_message(cast: Cast) -> None:
    """Somebody else locks two rooms in the wrong order, as a careless script might."""
    first, second = sorted((cast, cast_of()), key=lambda one: one.room.pk)
    with another() as script:
        script.execute("SET deadlock_timeout = '5s'")  # the writer's, 1 s, is the one that gives in
        script.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [second.room.pk])

        def tangle(_: Writer) -> None:
            _wait_for_lock(script)
            script.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [first.room.pk])
            script.commit()

        both = posts(first, "one") + posts(second, "two")
        message = MessageFactory(room=first.room)
        both.insert(0, Write(first.room.pk, first.owner.pk, React(id=message.pk, emoji="👍")))
        written = run(both, then=tangle)
    assert all(isinstance(outcome, Change) for outcome in outcomes(written))


def test_a_connection_that_is_ended_in_between_loses_and_doubles_nothing(cast: Cast) -> None:
    stop = threading.Event()
    ended = 0

    def end(_: Writer) -> None:
        nonlocal ended
        with another() as operator:
            operator.autocommit = True
            while not stop.is_set() and ended < 15:
                row = operator.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND state <> 'idle'"
                ).fetchone()
                ended += row[0] if row else 0
                time.sleep(0.002)

    commands = [Post(message=str(n), client_id=uuid4()) for n in range(150)]
    written: Written = []

    async def write() -> None:
        one = Writer(written.extend)
        ending = asyncio.create_task(asyncio.to_thread(end, one))
        for n, command in enumerate(commands):
            one.submit(Write(cast.room.pk, cast.member.pk, command), n)
            await asyncio.sleep(0.01)
        stop.set()
        await ending
        await one.drain()

    connection.close()
    asyncio.run(write())
    assert ended > 0
    results = outcomes(written)
    refused = [o for o in results if isinstance(o, Refused)]
    assert {o.code for o in refused} <= {"unavailable"}
    accepted = [
        (o.change if isinstance(o, Repeated) else o).id for o in results if o not in refused
    ]
    assert len(accepted) == len(set(accepted))
    stored = set(Message.objects.filter(room=cast.room).values_list("pk", flat=True))
    assert set(accepted) <= stored
    assert len(stored) <= 150


def test_a_database_that_is_away_is_said_to_everybody_who_waits_and_nothing_is_lost_after(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "chat.log.writer")
    real, away = apply.apply, True

    def applied(writes: Sequence[Write], unsure: Any = None) -> Any:
        if away:
            raise OperationalError("connection refused")
        return real(writes, unsure)

    monkeypatch.setattr(apply, "apply", applied)
    writes = posts(cast, "one", "two")
    refused = outcomes(run(writes))
    assert [one.code for one in refused] == ["unavailable", "unavailable"]
    assert all(one.retry_after > 0 for one in refused)
    away = False
    assert [type(one) for one in outcomes(run(writes))] == [Change, Change]


def test_what_waits_has_a_bound_and_past_it_comes_unavailable(
    cast: Cast, settings: Settings
) -> None:
    settings.CHAT_WRITER_QUEUE = 10
    refused: list[Refused] = []
    written: Written = []

    async def flood() -> None:
        one = Writer(written.extend)
        for n, write in enumerate(posts(cast, *map(str, range(15)))):
            try:
                one.submit(write, n)
            except Refused as refusal:
                refused.append(refusal)
        while len(written) < 10:
            await asyncio.sleep(0.01)
        one.submit(posts(cast, "there is room again")[0], 99)
        await one.drain()

    asyncio.run(flood())
    assert [one.code for one in refused] == ["unavailable"] * 5
    assert all(one.retry_after for one in refused)
    assert Message.objects.filter(room=cast.room).count() == 11


def test_who_leaves_finishes_what_was_accepted_and_takes_no_more(cast: Cast) -> None:
    written: Written = []

    async def leave() -> None:
        one = Writer(written.extend)
        for write in posts(cast, *map(str, range(50))):
            one.submit(write, None)
        draining = asyncio.create_task(one.drain())
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            one.submit(posts(cast, "late")[0], None)
        assert refused.value.code == "unavailable"
        await draining
        await one.drain()  # leaving twice harms nobody

    asyncio.run(leave())
    assert len(written) == Message.objects.filter(room=cast.room).count() == 50


def test_leaving_ends_the_thread_though_the_database_hangs(cast: Cast) -> None:
    """Else the process would wait for it for ever."""
    with another() as script:
        script.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [cast.room.pk])

        async def leave() -> None:
            one = Writer(lambda written: None)
            one.submit(posts(cast, "waits for the lock")[0], None)
            await asyncio.to_thread(_wait_for_lock, script)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await one.drain()
            script.commit()
            async with asyncio.timeout(PATIENCE):
                while _writes():
                    await asyncio.sleep(0.02)

        asyncio.run(leave())


def test_jobs_of_one_sender_are_carried_out_in_the_order_they_were_given(cast: Cast) -> None:
    message = MessageFactory(room=cast.room, author=cast.member)
    edits = [
        Write(cast.room.pk, cast.member.pk, Edit(id=message.pk, message=str(n))) for n in range(30)
    ]
    places = [outcome.pos for outcome in outcomes(run(edits))]
    assert places == list(range(2, 32))
    assert Message.objects.get(pk=message.pk).body == "29"
    assert Room.objects.get(pk=cast.room.pk).head == 31


def test_an_edit_and_a_post_of_one_sender_keep_their_order(cast: Cast) -> None:
    message = MessageFactory(room=cast.room, author=cast.member)
    edit = Write(cast.room.pk, cast.member.pk, Edit(id=message.pk, message="first"))
    others = [Write(cast.room.pk, cast.owner.pk, Post(message="theirs"))]
    writes = [edit, *posts(cast, "second"), *others]
    first, second, theirs = (outcome.pos for outcome in apply.apply(writes))
    assert first < second
    assert sorted((first, second, theirs)) == [2, 3, 4]


# -- an answer to a commit that does not come ----------------------------------------------------


@pytest.fixture(params=[True, False], ids=["committed", "not committed"])
def cut_at_the_commit(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> list[Callable[[], Any]]:
    """The first commit that the writer sends gets no answer. What is put into the list happens
    before it tries again."""
    real = DatabaseWrapper._commit  # noqa: SLF001 - Django has no other place for it
    meanwhile: list[Callable[[], Any]] = []
    cuts: list[bool] = []

    def commit(self: Any) -> Any:
        if cuts or not threading.current_thread().name.startswith("writer"):
            return real(self)
        cuts.append(True)
        if request.param:
            real(self)
        self.connection.close()
        for act in meanwhile:
            other = threading.Thread(target=act)
            other.start()
            other.join()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(DatabaseWrapper, "_commit", commit)
    return meanwhile


COMMANDS: dict[str, list[Callable[[int], Any]]] = {
    "two edits": [lambda pk: Edit(id=pk, message="b"), lambda pk: Edit(id=pk, message="c")],
    "an edit and a deletion": [lambda pk: Edit(id=pk, message="b"), lambda pk: Delete(id=pk)],
    "two reactions": [lambda pk: React(id=pk, emoji="👍"), lambda pk: React(id=pk, emoji="🎉")],
}


@pytest.mark.usefixtures("cut_at_the_commit")
@pytest.mark.parametrize("commands", COMMANDS.values(), ids=COMMANDS)
def test_what_may_have_been_committed_is_carried_out_once(
    cast: Cast, commands: list[Callable[[int], Any]]
) -> None:
    message = MessageFactory(room=cast.room, author=cast.member, body="a")
    writes = [Write(cast.room.pk, cast.member.pk, command(message.pk)) for command in commands]
    assert [(type(one), one.pos) for one in outcomes(run(writes))] == [(Change, 2), (Change, 3)]
    assert Room.objects.get(pk=cast.room.pk).head == 3
    assert message.revisions.count() == sum(
        not isinstance(write.command, React) for write in writes
    )
    assert message.reactions.count() == sum(isinstance(write.command, React) for write in writes)


def test_an_edit_is_not_put_over_a_later_one_by_being_tried_again(
    cast: Cast, cut_at_the_commit: list[Callable[[], Any]], request: pytest.FixtureRequest
) -> None:
    message = MessageFactory(room=cast.room, author=cast.member, body="a")

    def edit(text: str) -> Write:
        return Write(cast.room.pk, cast.member.pk, Edit(id=message.pk, message=text))

    def later() -> None:
        apply.apply([edit("later")])
        connection.close()

    cut_at_the_commit.append(later)
    (outcome,) = outcomes(run([edit("earlier")]))
    assert isinstance(outcome, Change)
    message.refresh_from_db()
    committed = "not" not in request.node.name.rpartition("[")[2]
    assert message.body == ("later" if committed else "earlier")
    assert message.revisions.count() == 2


def test_what_may_have_been_committed_is_not_carried_out_one_by_one_either(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    sizes: list[int] = []

    def applied(writes: Sequence[Write], unsure: Any = None) -> Any:
        sizes.append(len(writes))
        if unsure is None:
            raise apply.Unsure(OperationalError("cut off"), [], [])
        raise DataError("poison")

    monkeypatch.setattr(apply, "apply", applied)
    refused = writer.write_all(posts(cast, "one", "two"))
    assert [one.code for one in refused if isinstance(one, Refused)] == ["unavailable"] * 2
    assert sizes == [2, 2]


def test_the_others_of_a_batch_do_not_each_wait_for_a_database_that_went_away(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    sizes: list[int] = []

    def applied(writes: Sequence[Write], unsure: Any = None) -> Any:
        sizes.append(len(writes))
        raise DataError("poison") if len(writes) > 1 else OperationalError("gone")

    monkeypatch.setattr(apply, "apply", applied)
    refused = writer.write_all(posts(cast, *map(str, range(30))))
    assert [one.code for one in refused if isinstance(one, Refused)] == ["unavailable"] * 30
    assert sizes == [30] + [1] * writer.TRIES


def test_who_must_leave_before_all_is_written_says_so_to_those_who_wait(cast: Cast) -> None:
    written: Written = []
    with another() as script:
        script.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [cast.room.pk])

        async def leave() -> None:
            one = Writer(written.extend)
            one.submit(posts(cast, "waits for the lock")[0], "first")
            await asyncio.to_thread(_wait_for_lock, script)
            for n, write in enumerate(posts(cast, *map(str, range(20)))):
                one.submit(write, n)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await one.drain()
            one.give_up()
            assert [(origin, outcome.code) for _, origin, outcome in written] == [
                (n, "unavailable") for n in range(20)
            ]
            script.commit()
            async with asyncio.timeout(PATIENCE):
                while _writes() or len(written) < 21:
                    await asyncio.sleep(0.02)

        asyncio.run(leave())
    assert Message.objects.filter(room=cast.room).count() == 1


def _writes() -> bool:
    return any(thread.name.startswith("writer") for thread in threading.enumerate())


def _wait_for_lock(script: "psycopg.Connection[Any]") -> None:
    with another() as watcher:
        watcher.autocommit = True
        deadline = time.monotonic() + PATIENCE
        while not watcher.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_read_positions_wait_for_no_rooms_lock_and_posts_for_no_read_position(cast: Cast) -> None:
    MessageFactory.create_batch(3, room=cast.room)
    reads = [Write(cast.room.pk, user.pk, Read(seq=3)) for user in (cast.member, cast.owner)]
    with another() as elsewhere:
        elsewhere.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [cast.room.pk])
        assert outcomes(run(reads)) == [ReadTo(3), ReadTo(3)]
    with another() as elsewhere:
        elsewhere.execute("SELECT FROM chat_membership FOR UPDATE")
        written: Written = []

        async def submit() -> None:
            one = Writer(written.extend)
            for n, write in enumerate([Write(*reads[0][:2], Read(seq=4)), *posts(cast, "x")]):
                one.submit(write, n)
            async with asyncio.timeout(PATIENCE):
                while not written:
                    await asyncio.sleep(0.01)
                elsewhere.rollback()
                await one.drain()

        asyncio.run(submit())
    assert [origin for _, origin, _ in written] == [1, 0]


def test_a_database_that_takes_no_writes_is_away_and_asked_anew(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover the connection may be to what is a standby now."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    connections: list[int] = []
    real = apply.apply

    def read_only(writes: Sequence[Write], unsure: Any = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            cursor.execute("SELECT pg_backend_pid()")
            connections.append(cursor.fetchone()[0])
        return real(writes, unsure)

    monkeypatch.setattr(apply, "apply", read_only)
    (outcome,) = outcomes(run(posts(cast, "x")))
    assert isinstance(outcome, Refused)
    assert outcome.code == "unavailable"
    assert len(connections) == writer.TRIES
    monkeypatch.setattr(apply, "apply", real)
    assert isinstance(outcomes(run(posts(cast, "y")))[0], Change)
