"""Whether the database answers and has our tables; and being alone in it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.errors import Problem

PATIENCE = 3  # seconds a database may take to answer
ALONE_WITHIN = 300  # seconds that others may take for their preparations
PREPARING = 0x63686174  # "chat": a number for the lock, which nobody else takes


def ensure_answer() -> None:
    """Raise a Problem where it does not."""
    try:
        _connect().close()
    except psycopg.Error as error:
        parameters = connection.get_connection_params()
        where = f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}"
        remedies = ["Start it", "correct DATABASE_URL"]
        if settings.DEBUG:
            remedies.append("leave DATABASE_URL unset to get one here")
        raise Problem(
            f"No connection to the database at {where} ({str(error).splitlines()[0]}). "
            f"{', '.join(remedies[:-1])}, or {remedies[-1]}."
        ) from None


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
    parameters = {**connection.get_connection_params(), "connect_timeout": PATIENCE, **more}
    parameters.pop("pool", None)
    return psycopg.connect(**parameters)
