"""Whether the database answers and has our tables; and being alone in it."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import PoolTimeout

from core.database.postgresql.failures import Failure, SharedSession, failure_of
from core.database.postgresql.logins import place, why_refused
from core.database.postgresql.sessions import sessions
from core.errors import Problem
from core.trouble import Trouble

logger = logging.getLogger(__name__)

PATIENCE = 3  # seconds a database may take to answer
ANSWER_WITHIN = 2  # seconds, where somebody waits for it; libpq knows no less
ALONE_WITHIN = 300  # seconds that others may take for their preparations
ROOM = 10_000  # rows of a temporary file: some hundred kilobytes
FOUND_FULL = 5.0  # seconds after which a write that found no room says nothing of now

writing = Trouble(logger, "Could not write to the database")  # met by whoever writes for people
PREPARING = 0x63686174  # "chat": a number for the lock, which nobody else takes


class Unfit(Problem):
    """The database answers, and the chat cannot work with it."""


def ensure_answer() -> None:
    """Raise a Problem where it does not; one that is Unfit where that would be of no use."""
    try:
        with _connect(autocommit=True) as made:
            sessions.look(made)
        sessions.ensure(_parameters())
    except SharedSession:
        raise Unfit(f"DATABASE_URL: {Failure.SHARED.sentence}") from None
    except psycopg.Error as error:
        parameters = _parameters()
        if why := why_refused(parameters, error):
            raise Unfit(why) from None
        remedy = "Start it, or correct DATABASE_URL."
        if settings.DEBUG:
            remedy = "Start it, correct DATABASE_URL, or leave DATABASE_URL unset to get one here."
        raise Problem(
            f"No connection to the database at {place(parameters)} ({str(error).splitlines()[0]}). "
            f"{remedy}"
        ) from None


def ensure_connection(within: float) -> None:
    """Raise OperationalError where the pool gives no connection in so many seconds, and PostgreSQL
    does not answer either: a pool that has met an outage waits for its next try."""
    pool = connection.pool  # type: ignore[attr-defined]
    if connection.connection is not None or pool is None:
        return
    with connection.wrap_database_errors:
        pool.open()
        try:
            pool.putconn(pool.getconn(within))
        except PoolTimeout:
            _connect(connect_timeout=ANSWER_WITHIN).close()
            pool.putconn(pool.getconn())


def ensure_writes() -> None:
    """Raise OperationalError where the database takes no writes, or has no room for them.

    This itself writes no row and nothing to PostgreSQL's log, since it is asked all the time. More
    rows than fit into memory go into a temporary file, which lies beside the tables; of a table on
    another disk we know what has just failed.
    """
    met = writing.recent(FOUND_FULL)
    if isinstance(met, OperationalError) and failure_of(met) is Failure.FULL:
        raise met
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_read_only'), set_config('work_mem', '64kB', true)"
        )
        if cursor.fetchone()[0] == "on":
            with connection.wrap_database_errors:  # as if a statement had met it
                raise ReadOnlySqlTransaction("transaction_read_only is on")
        cursor.execute("SELECT count(*) FROM generate_series(1, %s)", [ROOM])


def explain(error: Exception) -> Problem:
    """What a command that met `error`, an OperationalError, can say in one line."""
    text, sentence = str(error).splitlines()[0], failure_of(error).sentence
    return Problem(f"The database cannot do that now: {text.removesuffix(sentence)} {sentence}")


_migrated: set[str] = set()  # databases that had all of ours, which nobody takes away


def unapplied_migrations() -> list[str]:
    """What `manage.py migrate` would do; asked of a database until it is nothing."""
    name = str(connection.settings_dict["NAME"])
    if name in _migrated:
        return []
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        _migrated.add(name)
    return [str(migration) for migration, _ in plan]


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process is in here. The lock ends with its connection, and so with its
    process, however that ends."""
    began, said = time.monotonic(), False
    with _connect(autocommit=True) as lock:
        # Asked for again and again: a statement that waits for it would hold a snapshot, and CREATE
        # INDEX CONCURRENTLY in there would wait for that, each for the other for ever.
        while not lock.execute("SELECT 1 WHERE pg_try_advisory_lock(%s)", [PREPARING]).fetchone():
            waited = time.monotonic() - began
            if waited > ALONE_WITHIN:
                raise Problem(
                    "Another process has been preparing the database for minutes. End it."
                )
            if waited > 1 and not said:
                said = True
                sys.stderr.write("Waiting for another process that prepares the database …\n")
            time.sleep(0.1)
        yield


def _connect(**more: Any) -> "psycopg.Connection[Any]":
    """Without the pool, which would keep trying in the background."""
    return psycopg.connect(**{**_parameters(), **more})


def _parameters() -> dict[str, Any]:
    return {**connection.get_connection_params(), "connect_timeout": PATIENCE}
