"""Statements that run all the time: prepared by the server, once a connection.

Planning one takes several times as long as running it, and the ORM's own work more than both; for
the few that each message or each connection needs, that is most of what it costs.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from django.db import connection
from django.db.models import Model
from psycopg.pq import Escaping

_prepared: "WeakKeyDictionary[psycopg.Connection[Any], set[Statement]]" = WeakKeyDictionary()

# One plan for all parameters, which is made once. LOCAL: several statements in one query are one
# transaction, and a connection goes back to the pool as it came.
_ONE_PLAN = b"SET LOCAL plan_cache_mode = force_generic_plan"
_EVERYBODYS_PLANS = b"SET LOCAL plan_cache_mode = DEFAULT"


class Statement:
    """`sql` with $1, $2 … of `types`."""

    def __init__(self, name: str, types: Sequence[str], sql: str) -> None:
        self.prepare = f"PREPARE {name} ({', '.join(types)}) AS {sql}"
        self.execute = f"EXECUTE {name} ({', '.join(['%b'] * len(types))})".encode()


Call = tuple[Statement, Sequence[str | int]]


def fetch(*calls: Call) -> list[tuple[Any, ...]]:
    """Run statements with their parameters in one round trip; all rows of the last one.

    Unless a transaction is open they are one by themselves: PostgreSQL makes one of what comes in
    one simple query, each statement with a snapshot of its own, and nothing has to begin or commit
    it. Raises Django's database errors, not psycopg's.
    """
    with connection.wrap_database_errors:
        connection.ensure_connection()
        raw = connection.connection
        known = _prepared.setdefault(raw, set())
        for statement, _ in calls:
            if statement not in known:
                # By hand: psycopg's own prepared statements go with each ROLLBACK.
                raw.execute(statement.prepare)
                known.add(statement)
        # Literals without a type, which PostgreSQL knows from PREPARE. psycopg would find one out
        # for each value, and take longer for that than the round trip takes.
        quote = Escaping(raw.pgconn).escape_literal
        cursor = psycopg.ClientCursor(raw)
        executions = [
            statement.execute % tuple(quote(str(value).encode()) for value in parameters)
            for statement, parameters in calls
        ]
        # Whoever has a transaction open goes on in it, with plans of their own.
        after = [_EVERYBODYS_PLANS] if connection.in_atomic_block else []
        cursor.execute(b"; ".join([_ONE_PLAN, *executions, *after]))
        for _ in executions:
            cursor.nextset()
        return cursor.fetchall()


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """A parameter of type json, for json_to_recordset: many rows in one text. psycopg would take
    longer to write them as arrays than PostgreSQL takes for the rest of a post."""
    return msgspec.json.encode(rows).decode()


def columns(model: type[Model], alias: str) -> str:
    """Every column of `model`, for `instance`."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def width(model: type[Model]) -> int:
    return len(model._meta.concrete_fields)


def instance(model: type[Model], values: Sequence[Any]) -> Any:
    """A row of `columns`; None where an outer join found none."""
    names = [field.attname for field in model._meta.concrete_fields]
    return None if values[0] is None else model.from_db(connection.alias, names, values)
