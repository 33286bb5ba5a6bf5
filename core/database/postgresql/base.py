"""The DatabaseWrapper that Django looks for here."""

import time
from functools import cached_property
from types import TracebackType
from typing import Any

import psycopg
from django.db import OperationalError
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper

from core.database.postgresql.failures import Failure, dooms
from core.database.postgresql.logins import ensure_let_in
from core.database.postgresql.sessions import sessions

DRAIN_EVERY = 1.0  # seconds; while nothing can be written each attempt would replace them all


class DatabaseWrapper(base.DatabaseWrapper):
    _drained_at = -DRAIN_EVERY  # of the process, as the pool is

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return _Errors(self)

    def get_new_connection(self, conn_params: Any) -> Any:
        if self.pool and self.pool.closed:
            # Once open, it tries for seconds what is refused at once, and logs what it is told.
            ensure_let_in(conn_params)
        connection = super().get_new_connection(conn_params)
        if _is_read_only(connection) and self.drain():
            # It stays so for as long as it lives, and the server may take writes again.
            self.pool.putconn(connection)
            connection = super().get_new_connection(conn_params)
        try:
            sessions.ensure(conn_params)
        except BaseException:
            if self.pool:
                self.pool.putconn(connection)
            else:
                connection.close()
            raise
        return connection

    def _configure_connection(self, connection: Any) -> bool:
        """Called once with each connection, by the pool too."""
        sessions.look(connection)
        return super()._configure_connection(connection)  # type: ignore[misc]

    def give_up(self) -> None:
        """Leave the connection, which is closed or dooms what comes after; the next use opens
        another one. In a transaction that is when its block has ended."""
        if self.connection is not None:
            self.connection.close()  # else it would go back to the pool, as a good one
        self.close()

    def drain(self) -> bool:
        """Replace all that are in the pool, or come back to it: they are as old, and would fail
        somebody each. False where that was done a moment ago."""
        now = time.monotonic()
        if not self.pool or now < DatabaseWrapper._drained_at + DRAIN_EVERY:
            return False
        DatabaseWrapper._drained_at = now
        self.pool.drain()
        return True


def _is_read_only(connection: "psycopg.Connection[Any]") -> bool:
    """As the server has reported, which costs no question."""
    reported = connection.pgconn.parameter_status
    return b"on" in (reported(b"default_transaction_read_only"), reported(b"in_hot_standby"))


class _Errors(DatabaseErrorWrapper):
    """Everything that psycopg raises passes here, once, on its way to become Django's."""

    wrapper: DatabaseWrapper

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, psycopg.Error):
            failure = dooms(error)
            raw = self.wrapper.connection
            if failure is not None or (raw is not None and raw.closed):
                self.wrapper.give_up()
            if failure is Failure.READ_ONLY:
                self.wrapper.drain()
            if failure is Failure.SHARED and error.sqlstate:
                sessions.doubt()
            if failure is not None:
                # psycopg has most of these as errors of the question, which nobody asks again.
                text = f"{error}".rstrip()
                if failure is Failure.SHARED and failure.sentence not in text:
                    text = f"{text}. {failure.sentence}"
                raise OperationalError(text).with_traceback(traceback) from error
        super().__exit__(kind, error, traceback)
