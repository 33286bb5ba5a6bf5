"""Which chat this is: the identity of its database, with which all that it has in Redis begins.

Several chats may share one Redis, and what is published there knows no database numbers. The
identity is a UUID made once in the database, the cluster's system identifier and the database's
oid: a copy made by a dump, or by CREATE DATABASE … TEMPLATE, has another one by itself. A physical
copy (pg_basebackup) has the same until `manage.py new_identity`; a standby that is promoted is to
keep it.
"""

import asyncio
import logging
import time
from hashlib import sha256

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db import connection, transaction
from redis.exceptions import ConnectionError as RedisConnectionError

from core import tasks, trouble

logger = logging.getLogger(__name__)

EVERY = 15.0  # seconds between looks for another identity …
UNKNOWN_EVERY = 1.0  # … and while there is none yet
LENGTH = 16  # hexadecimal digits: no two of a few chats are the same

_prefixes: dict[str, str] = {}  # by database: tests have several in one process
_watches: dict[asyncio.AbstractEventLoop, tasks.Kept] = {}
_said_at = -EVERY


class Unknown(RedisConnectionError):
    """PostgreSQL has not said yet who we are. Until it does Redis counts as away."""


def prefix() -> str:
    """What our names in Redis begin with. For code that is not async; raises Unknown."""
    return _prefixes.get(_database()) or read()


def known() -> str:
    """`prefix` without I/O: as it was last read. Raises Unknown."""
    try:
        return _prefixes[_database()]
    except KeyError:
        raise Unknown("the database's identity has not been read yet") from None


async def learn() -> str:
    """`prefix`, without holding up the event loop."""
    return _prefixes.get(_database()) or await _read_async()


def read() -> str:
    """Ask PostgreSQL; what was known holds no longer, if it is another. Raises Unknown."""
    database = _database()
    try:
        found = _identity()
    except DatabaseError as error:
        raise Unknown(f"the database does not tell its identity: {trouble.line(error)}") from error
    digest = sha256(found.encode()).hexdigest()[:LENGTH]
    before = _prefixes.get(database)
    _prefixes[database] = now = f"chat-{digest}:"
    if before not in (None, now):
        logger.warning("The database has a new identity: in Redis we begin anew, as %s", now)
    return now


def renew() -> None:
    """Give the database a new identity. Every process finds it within EVERY seconds."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_installation (uuid) VALUES (gen_random_uuid())"
            " ON CONFLICT (id) DO UPDATE SET uuid = excluded.uuid"
        )


def watch() -> None:
    """Look for another identity from time to time, as long as this event loop runs."""
    loop = asyncio.get_running_loop()
    for ended in [one for one in _watches if one.is_closed()]:
        del _watches[ended]
    if loop not in _watches:
        _watches[loop] = tasks.keep("installation", _watch_for_ever)


async def _watch_for_ever() -> None:
    while True:
        try:
            await _read_async()
        except Unknown as error:
            _say_unknown(error)
        await asyncio.sleep(EVERY if _database() in _prefixes else UNKNOWN_EVERY)


def _say_unknown(error: Unknown) -> None:
    """Others say as well that PostgreSQL is away; here it is about Redis."""
    global _said_at  # noqa: PLW0603
    if _database() not in _prefixes and time.monotonic() >= _said_at + EVERY:
        _said_at = time.monotonic()
        logger.warning("Redis is not used yet: %s", error)


_read_async = database_sync_to_async(read, thread_sensitive=False)


def _database() -> str:
    settings = connection.settings_dict
    return f"{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


def _identity() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uuid, d.oid, has_function_privilege('pg_control_system()', 'execute')"
            "  FROM pg_database d LEFT JOIN core_installation ON true"
            " WHERE datname = current_database()"
        )
        uuid, oid, may_ask = cursor.fetchone()
        if uuid is None:
            raise DatabaseError("core_installation is empty: run `manage.py new_identity`")
        system = 0
        # A statement of its own: one that only names the function is refused already. Some who
        # host databases take this from everybody; a dump's copy then differs by its oid alone,
        # which another cluster may give as well (migrations_docs/core/0003_installation.md).
        if may_ask:
            cursor.execute("SELECT system_identifier FROM pg_control_system()")
            (system,) = cursor.fetchone()
    return f"{uuid} {system} {oid}"
