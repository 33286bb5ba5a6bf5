"""When people were last here: written now and then, once for all, and never of the invisible."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.factories import UserFactory
from chat.live import queries
from chat.online import last_seen
from chat.online.last_seen import LastSeen
from chat.process import Process
from core.models import User
from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread that reads, and lets go of the database when the test is over."""
    with ThreadPoolExecutor(1) as executor:
        monkeypatch.setattr(queries.readers, "executor", executor)
        yield
        executor.submit(let_go)


def let_go() -> None:
    connection.close()  # this thread's own


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(last_seen, "time", clock)
    return clock


def seen(user: User) -> datetime | None:
    return User.objects.get(pk=user.pk).last_seen_at


def make_stale(*users: User, seconds: float = 61) -> None:
    then = timezone.now() - timedelta(seconds=seconds)
    User.objects.filter(pk__in=[user.pk for user in users]).update(last_seen_at=then)


def process(*here: User) -> LastSeen:
    return LastSeen(lambda: [user.pk for user in here])


def write(*processes: LastSeen) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(one.work() for one in processes))

    asyncio.run(all_of_them())


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Who was written, by statement."""
    statements: list[list[int]] = []
    real = last_seen.write_seen

    def write(users: list[int]) -> list[int]:
        statements.append(sorted(users))
        return real(users)

    monkeypatch.setattr(last_seen, "write_seen", write)
    return statements


def just_now(at: datetime | None) -> bool:
    return at is not None and timezone.now() - at < timedelta(seconds=30)


def test_those_who_are_here_or_left_are_written_in_one_statement(
    written: list[list[int]],
) -> None:
    here, left, elsewhere = UserFactory.create_batch(3)
    one = process(here)
    one.left(left.pk)
    write(one)
    assert written == [[here.pk, left.pk]]
    assert just_now(seen(here))
    assert just_now(seen(left))
    assert seen(elsewhere) is None


def test_nobody_is_written_twice_in_a_minute(clock: Clock, written: list[list[int]]) -> None:
    user = UserFactory()
    one = process(user)
    write(one)
    first = seen(user)
    for _ in range(3):
        clock.now += 15
        one.left(user.pk)
        write(one)
    assert len(written) == 1
    assert seen(user) == first
    clock.now += 16
    make_stale(user)
    write(one)
    assert len(written) == 2
    assert just_now(seen(user))


@pytest.mark.parametrize("seconds", [0, 57])
def test_another_process_does_not_write_again_what_is_written(seconds: int) -> None:
    user = UserFactory()
    write(process(user))
    make_stale(user, seconds=seconds)
    first = seen(user)
    write(process(user))
    assert seen(user) == first


def test_whom_another_process_wrote_is_written_when_the_minute_is_over(clock: Clock) -> None:
    user = UserFactory()
    one = process(user)
    make_stale(user, seconds=30)
    write(one)
    make_stale(user)
    clock.now += 31
    write(one)
    assert just_now(seen(user))


def test_the_invisible_are_not_written() -> None:
    user = UserFactory(is_invisible=True)
    write(process(user))
    assert seen(user) is None


def test_the_invisible_are_not_even_asked_for(written: list[list[int]]) -> None:
    """Never written, they would be in each statement for as long as they are here."""

    async def go() -> None:
        process = Process()
        # the second has just turned invisible, of whom not all connections have heard
        for user, is_invisible in ((1, True), (2, True), (2, False), (3, False)):
            person = SimpleNamespace(id=user)
            one = Mock(user=person, is_invisible=is_invisible)
            process.connections.add(cast(Any, one))
        await process.last_seen.work()

    asyncio.run(go())
    assert written == [[2, 3]]


def test_what_is_locked_is_not_waited_for() -> None:
    busy, free = UserFactory.create_batch(2)
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{n: parameters[n] for n in names if n in parameters}) as other:
        other.execute("SELECT 1 FROM core_user WHERE id = %s FOR UPDATE", [busy.pk])
        write(process(busy, free))
    assert seen(busy) is None
    assert just_now(seen(free))


def test_where_nobody_is_the_database_is_left_alone(written: list[list[int]]) -> None:
    with CaptureQueriesContext(connection) as queries:
        write(process())
    assert (written, len(queries)) == ([], 0)


def test_who_left_while_the_database_was_away_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = UserFactory()
    one = process()
    one.left(user.pk)

    def fails(users: Iterable[int]) -> list[int]:
        raise OperationalError("away")

    with monkeypatch.context() as context:
        context.setattr(last_seen, "write_seen", fails)
        with pytest.raises(OperationalError):
            write(one)
    write(one)
    assert just_now(seen(user))


def test_the_timer_outlives_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LastSeen, "every", 0.005)
    errors, written = [ValueError("a mistake"), OperationalError("away")], threading.Event()

    def write_or_fail(users: list[int]) -> list[int]:
        if errors:
            raise errors.pop()
        written.set()
        return users

    monkeypatch.setattr(last_seen, "write_seen", write_or_fail)

    async def go() -> None:
        one = LastSeen(lambda: [1])
        one.start()
        one.start()
        assert await asyncio.to_thread(written.wait, 20)
        one.close()

    asyncio.run(go())
