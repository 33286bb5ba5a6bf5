"""Database reads from the event loop, on threads of their own.

Channels' default is one shared thread for all sockets: one slow query would delay them all.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4  # threads; each uses a connection of the pool while it reads
_executor = ThreadPoolExecutor(READERS, thread_name_prefix="reader")


def reading(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """`function`, callable from the event loop."""
    return database_sync_to_async(function, thread_sensitive=False, executor=_executor)
