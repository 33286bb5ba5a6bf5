"""Whether a connection has a session of its own, for as long as it lives.

Statements are prepared once a connection (core/database/statements.py), and locks are held by one.
A pooler in transaction mode gives each transaction whatever session is free, and every second page
fails.

Nothing in the protocol tells. But a pooler has to make up the key by which a client cancels, since
it does not know yet whose query that will be: so a process id that is not the server's shows that
there is one. What it does then shows on two connections: where sessions are shared, both are given
the same one, or one of them is given another than before. Only questions are asked, since what is
set on a session that is shared would meet other programs.
"""

import select
import time
from contextlib import closing
from threading import Lock
from typing import Any

import psycopg

from core.database.postgresql.failures import SharedSession

ROUNDS = 5
CONNECT_WITHIN = 5  # seconds
ANSWER_WITHIN = 1.0  # seconds; a pooler that has no session left has us wait for one
ASK_AGAIN = 2.0  # seconds, while the answer is that sessions are shared


class Sessions:
    """What this process knows of its way to the database. Used by all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._suspected = False
        self._cleared = False  # there is a pooler, and it keeps sessions
        self._refused_at = 0.0

    def look(self, connection: "psycopg.Connection[Any]") -> None:
        """See whether a new connection goes through a pooler."""
        if not self._cleared and _pid(connection) != connection.info.backend_pid:
            self._suspected = True

    def doubt(self) -> None:
        """A statement has failed as they do in sessions that are shared."""
        self._cleared, self._suspected, self._refused_at = False, True, 0.0

    def ensure(self, parameters: dict[str, Any]) -> None:
        """Raise SharedSession where a pooler was seen, and does not keep sessions."""
        if not self._suspected:
            return
        with self._lock:
            if not self._suspected:  # another thread has found out meanwhile
                return
            if time.monotonic() < self._refused_at + ASK_AGAIN and self._refused_at:
                raise SharedSession
            if not is_kept(parameters):
                self._refused_at = time.monotonic()
                raise SharedSession
            self._suspected, self._cleared, self._refused_at = False, True, 0.0


def is_kept(parameters: dict[str, Any]) -> bool:
    """Whether a connection made with `parameters` stays in one session between transactions.

    Takes some milliseconds. Raises psycopg.Error where there is no connection.
    """
    own = {"connect_timeout": CONNECT_WITHIN, **parameters, "autocommit": True}
    with closing(psycopg.connect(**own)) as one, closing(psycopg.connect(**own)) as other:
        first = _pid(one)
        for _ in range(ROUNDS):
            if _pid(one) != first:  # asked twice in a row: sessions may be given in turn
                return False
            seen = _pid_soon(other)
            if seen is None:  # it waits, and is not given the session of `one`, which rests
                return _pid(one) == first
            if seen == first:
                return False
    return True


def _pid_soon(connection: "psycopg.Connection[Any]") -> int | None:
    """None: there is no answer yet, and the connection is of no use any more."""
    raw = connection.pgconn
    raw.send_query(b"SELECT pg_backend_pid()")
    if not select.select([raw.socket], [], [], ANSWER_WITHIN)[0]:
        return None
    answer, _ = raw.get_result(), raw.get_result()  # the second one is the end
    text = answer and answer.get_value(0, 0)
    if not text:
        raise psycopg.OperationalError("The connection has ended.")
    return int(text)


def _pid(connection: "psycopg.Connection[Any]") -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


sessions = Sessions()
