"""Whether the database answers and has our tables."""

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.errors import Problem

PATIENCE = 3  # seconds a database may take to answer


def ensure_answer() -> None:
    """Raise a Problem where it does not.

    Connects once, without the pool, which would keep trying in the background.
    """
    parameters = connection.get_connection_params()
    parameters.pop("pool", None)
    try:
        psycopg.connect(**{**parameters, "connect_timeout": PATIENCE}).close()
    except psycopg.Error as error:
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
