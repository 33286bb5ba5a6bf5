"""Database reads from the event loop, on threads of their own.

Channels' default is one shared thread for all sockets: one slow query would delay them all. These
threads keep their connections, which Channels would close after each read.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # threads, each with a connection
WAITING_MAX = 5_000  # reads; a thousand people who come back at once need a few each


class _Readers:
    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self.waiting = 0

    async def run(self, call: Callable[[], T]) -> T:
        if self.waiting >= WAITING_MAX:
            raise OperationalError("too many reads wait for the database")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.executor, call)
        finally:
            self.waiting -= 1


readers = _Readers()


def query(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """`function`, callable from the event loop. It must be safe to call twice.

    Raises django.db.OperationalError where too many wait.
    """

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return await readers.run(partial(_call, partial(function, *args, **kwargs)))

    return run


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except (OperationalError, InterfaceError) as error:
        if isinstance(error.__cause__, PoolTimeout):  # it has waited for seconds: let people know
            raise
        if connection.in_atomic_block or connection.connection is not None:
            raise
    return function()  # on a new connection: the old one may have been cut long before
