"""Errors that are the database's, not the question's; and connections that are not used again."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction

from chat.factories import RoomFactory
from chat.models import Room
from core.database import readiness as database
from core.database.postgresql import base
from core.database.postgresql.failures import Failure, failure_of
from core.database.postgresql.sessions import is_kept
from core.database.statements import Statement, fetch
from core.environment.values import Env
from core.local import embedded
from tests.support.sockets import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No setting of a test goes back to the pool."""
    yield
    if connection.connection is not None:
        connection.connection.close()
    connection.close()


ALL = Statement("test_all_columns", ["int"], "SELECT * FROM test_altered WHERE one > $1")


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_connection_that_cannot_write_is_left_by_whoever_meets_it(in_transaction: bool) -> None:
    before = backend()
    with pytest.raises(OperationalError) as raised:  # noqa: PT012
        if not in_transaction:
            run("SET default_transaction_read_only = on")
            RoomFactory()
        else:
            with transaction.atomic():
                run("SET transaction_read_only = on")
                RoomFactory()
    assert failure_of(raised.value) is Failure.READ_ONLY
    assert backend() != before
    RoomFactory()
    assert Room.objects.count() == 1


def test_those_in_the_pool_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "DRAIN_EVERY", 0)
    pool: Any = connection.pool  # type: ignore[attr-defined]
    others = [pool.getconn() for _ in range(2)]
    pids = {one.info.backend_pid for one in others}
    for one in others:
        pool.putconn(one)
    run("SET default_transaction_read_only = on")
    with pytest.raises(OperationalError):
        run("CREATE TABLE test_refused ()")
    now = [pool.getconn() for _ in range(2)]
    try:
        assert not pids & {one.info.backend_pid for one in now}
    finally:
        for one in now:
            pool.putconn(one)


def test_a_statement_whose_table_was_altered_is_prepared_anew() -> None:
    run("CREATE TABLE test_altered (one int)")
    try:
        assert fetch((ALL, [0])) == []
        run("ALTER TABLE test_altered ADD two int")
        with pytest.raises(OperationalError) as raised:
            fetch((ALL, [0]))
        assert failure_of(raised.value) is Failure.STALE
        assert fetch((ALL, [0])) == []
    finally:
        run("DROP TABLE test_altered")


@pytest.mark.parametrize("spoil", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_a_statement_that_is_not_where_we_prepared_it_is_a_pooler_and_said_so(spoil: str) -> None:
    run("CREATE TABLE test_altered (one int)")
    try:
        fetch((ALL, [0]))
        run(spoil)
        with pytest.raises(OperationalError, match="pool_mode = session") as raised:
            fetch((ALL, [0]))
        assert failure_of(raised.value) is Failure.SHARED
        assert fetch((ALL, [0])) == []  # this session was our own, as was found out
    finally:
        run("DROP TABLE test_altered")


def test_a_statement_that_somebody_else_prepared_there_is_one_too() -> None:
    run("CREATE TABLE test_altered (one int)")
    try:
        run("PREPARE test_all_columns AS SELECT 1")
        with pytest.raises(OperationalError, match="pool_mode = session"):
            fetch((ALL, [0]))
        assert fetch((ALL, [0])) == []
    finally:
        run("DROP TABLE test_altered")


def test_a_statement_leaves_nothing_set_on_its_connection() -> None:
    one = Statement("test_one", ["int"], "SELECT $1 + 1")

    def settings() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY name"
            )
            return list(cursor.fetchall())

    before = settings()
    assert fetch((one, [1])) == [(2,)]
    assert settings() == before
    with transaction.atomic():
        assert fetch((one, [1])) == [(2,)]
        with connection.cursor() as cursor:
            cursor.execute("SHOW plan_cache_mode")
            assert cursor.fetchone() == ("auto",)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'test_one'"
        )
        assert cursor.fetchone() == (2, 0)


def test_a_session_of_ones_own_is_known_as_such() -> None:
    assert is_kept(connection.get_connection_params())


def test_whether_it_is_ones_own_is_asked_without_setting_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a pooler the session is others' too. Here both connections are one."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as one:
        monkeypatch.setattr(psycopg, "connect", lambda **_: one)
        with monkeypatch.context() as patch:
            patch.setattr(one, "close", lambda: None)
            assert not is_kept({})
        set_here = "SELECT name FROM pg_settings WHERE source = 'session'"
        assert ("idle_session_timeout",) not in one.execute(set_here).fetchall()
        assert one.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []


@pytest.mark.parametrize(
    ("state", "failure"),
    [("25006", Failure.READ_ONLY), ("53100", Failure.FULL), ("57P01", Failure.AWAY)],
)
def test_what_went_wrong_has_a_word(state: str, failure: Failure) -> None:
    with pytest.raises(OperationalError) as raised:
        run(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
    assert failure_of(raised.value) is failure
    assert str(database.explain(raised.value)).endswith(failure.sentence)


# -- several servers, of which one takes writes ---------------------------------------------------


@pytest.fixture
def two_servers(tmp_path: Path) -> Iterator[list[str]]:
    """The URLs of two PostgreSQLs with one password, of which the first takes writes."""
    with ExitStack() as stack:
        urls = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            started = embedded.servers(tmp_path / name, wanted=["DATABASE_URL"], durable=False)
            urls.append(stack.enter_context(started)["DATABASE_URL"])
            operate(urls[-1], "ALTER ROLE chat PASSWORD 'theirs'")
        urls = [re.sub(":[^:@]+@", ":theirs@", url) for url in urls]
        take_writes(urls[1], "off")
        yield urls


def operate(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as operator:
        for statement in statements:
            operator.execute(statement)  # type: ignore[call-overload]


def take_writes(url: str, yes: str) -> None:
    value = "off" if yes == "on" else "on"
    operate(
        url,
        f"ALTER SYSTEM SET default_transaction_read_only = {value}",
        "SELECT pg_reload_conf()",
    )


def test_of_several_servers_the_one_that_takes_writes_is_found_again(
    two_servers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes seconds: two servers are made."""
    places = [urlsplit(url) for url in two_servers]
    hosts = ",".join(f"127.0.0.1:{place.port}" for place in places)
    monkeypatch.setenv(
        "DATABASE_URL", f"postgres://chat:theirs@{hosts}/chat?target_session_attrs=read-write"
    )
    monkeypatch.setattr(base, "DRAIN_EVERY", 0.0)  # another test may have done it a moment ago
    settings = connection.settings_dict | Env().db_url("DATABASE_URL")
    settings["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 4, "timeout": 5}
    connections["several"] = wrapper = base.DatabaseWrapper(settings, "several")

    def write() -> int:
        with wrapper.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS written (one int)")
            cursor.execute("INSERT INTO written VALUES (1) RETURNING inet_server_port()")
            return int(cursor.fetchone()[0])

    try:
        assert write() == places[0].port
        take_writes(two_servers[0], "off")
        take_writes(two_servers[1], "on")
        wait_until(lambda: wrapper.connection is None or _is_read_only(wrapper), "no reload")
        with pytest.raises(OperationalError):
            write()
        assert write() == places[1].port
    finally:
        wrapper.close()
        wrapper.close_pool()
        del connections["several"]


def _is_read_only(wrapper: base.DatabaseWrapper) -> bool:
    with wrapper.cursor() as cursor:
        cursor.execute("SHOW default_transaction_read_only")
        return bool(cursor.fetchone() == ("on",))
