"""What PostgreSQL's planner knows, and settings of it for single queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction


@contextmanager
def plan_with(**settings: str) -> Iterator[None]:
    """Run queries in a transaction with these settings of the planner, and with them only there."""
    names = list(settings)
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if nested:
            read = ", ".join(["current_setting(%s)"] * len(names))
            cursor.execute(f"SELECT {read}", names)
            before = cursor.fetchone()
        _set(cursor, names, settings.values())
        yield
        if nested:  # the settings last until the outermost transaction ends
            _set(cursor, names, before)


def _set(cursor: Any, names: list[str], values: Any) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(names))
    pairs = [part for pair in zip(names, values, strict=True) for part in pair]
    cursor.execute(f"SELECT {calls}", pairs)


def estimated_rows(model: type[models.Model]) -> int:
    """The planner's idea of the table's size, from the last ANALYZE; -1 where there was none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
            [model._meta.db_table],
        )
        return int(cursor.fetchone()[0])
