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

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # threads, each with a connection
_executor = ThreadPoolExecutor(READERS, thread_name_prefix="reader")


def reading(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """`function`, callable from the event loop. It must be safe to call twice."""

    @wraps(function)
    async def read(*args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(_call, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(_executor, call)

    return read


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or not _has_broken():
            raise
        connection.close()
    return function()  # on a new connection: the old one may have been cut long before


def _has_broken() -> bool:
    return connection.connection is None or not connection.is_usable()
