"""Whether the database answers, said in one line."""

import psycopg
from django.db import connection

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
        raise Problem(
            f"No connection to the database at {where} ({str(error).splitlines()[0]}). "
            "Start it, correct DATABASE_URL, or leave DATABASE_URL unset to get one here."
        ) from None
