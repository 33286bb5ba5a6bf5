"""Statements that run all the time: prepared and bound by the server.

Planning one takes several times as long as running it, and the ORM's own work more than both; for
the few that each message or each connection needs, that is most of what it costs.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from django.db.models import Model

_named: "WeakKeyDictionary[psycopg.Connection[Any], set[str]]" = WeakKeyDictionary()


def prepared(statements: Mapping[str, str] | None = None) -> psycopg.Connection[Any]:
    """This thread's connection, ready for `psycopg.Cursor(…).execute(…, prepare=True)`.

    Also for `EXECUTE name(…)` of `statements`: by name, what follows the name in `PREPARE`.
    """
    connection.ensure_connection()
    raw = connection.connection
    if raw.prepare_threshold is None:  # Django's way; then not even `prepare=True` prepares
        raw.prepare_threshold = 0
        # They come to the same plan each time.
        raw.execute("SET plan_cache_mode = force_generic_plan")
    if statements:
        named = _named.setdefault(raw, set())
        for name in statements.keys() - named:
            raw.execute(f"PREPARE {name} {statements[name]}")
            named.add(name)
    return raw


def fetch(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows. Raises Django's database errors, not psycopg's."""
    with connection.wrap_database_errors:
        return psycopg.Cursor(prepared()).execute(sql, parameters, prepare=True).fetchall()


def columns(model: type[Model], alias: str) -> str:
    """Every column of `model`, for `instance`."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def width(model: type[Model]) -> int:
    return len(model._meta.concrete_fields)


def instance(model: type[Model], values: Sequence[Any]) -> Any:
    """A row of `columns`; None where an outer join found none."""
    names = [field.attname for field in model._meta.concrete_fields]
    return None if values[0] is None else model.from_db(connection.alias, names, values)
