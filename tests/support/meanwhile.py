"""A second connection to the test's database, for what happens at the same moment."""

from collections.abc import Callable
from typing import Any

from django.db import connection


def meanwhile(work: Callable[..., Any], *args: Any) -> Any:
    """`work`, in a thread of a pool: its connection is given back."""
    try:
        return work(*args)
    finally:
        connection.close()


def waits() -> bool:
    """Whether a connection to this database waits for another one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        return cursor.fetchone() is not None
