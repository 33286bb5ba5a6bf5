"""The channel layers: Channels' own for Redis, with names that begin as all of this chat's do.

What a name begins with PostgreSQL tells, and may tell another thing later (installation.py). So it
is looked up when a name is made; while it is not known a layer fails as without Redis.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

from asgiref.sync import AsyncToSync
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from channels_redis.utils import _wrap_close

from core import tasks
from core.redis import installation

CHAT = "chat"  # the alias of the chat's own layer


class Garbage(ValueError):
    """What came is no message."""


class QueueLayer(RedisChannelLayer):
    """For the `default` layer: messages wait in Redis for whoever receives them."""

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        await self._name()
        await super().send(channel, message)

    async def receive(self, channel: str) -> dict[str, Any]:
        await self._name()
        with _kept_in_mind():
            return await super().receive(channel)

    async def receive_single(self, channel: str) -> Any:
        """Channels strikes the message off in a task of its own, which would end with the event
        loop that `async_to_sync` makes for a call: the next call would receive it again."""
        received = await super().receive_single(channel)
        loop = asyncio.get_running_loop()
        strikes = [task for task in self.receive_cleaners if task.get_loop() is loop]
        if strikes:
            await asyncio.wait(strikes)
        return received

    async def group_add(self, group: str, channel: str) -> None:
        await self._name()
        await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._name()
        await super().group_discard(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._name()
        await super().group_send(group, message)

    async def flush(self) -> None:
        await self._name()
        await super().flush()

    async def _name(self) -> None:
        await _end_what_was_left()
        self.prefix = await installation.learn()


class _Subscriber(RedisSingleShardConnection):
    _receive_task: "asyncio.Task[Any] | None"

    def _ensure_receiver(self) -> None:
        """Whenever something is subscribed to: a task that has ended would hear nothing."""
        if self._receive_task is None or self._receive_task.done():
            self._receive_task = tasks.spawn("redis subscriptions", self._do_receiving())


class _OneLoop(RedisPubSubLoopLayer):
    """The layer in one event loop."""

    _shards: list[RedisSingleShardConnection]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shards = [_Subscriber(shard.host, self) for shard in self._shards]

    async def forget(self, channel: str) -> None:
        """Nobody receives on the channel any more: it is in no group, and keeps no messages."""
        self.channels.pop(channel, None)
        left = [channel]
        for group, members in list(self.groups.items()):
            members.discard(channel)
            if not members:
                del self.groups[group]
                left.append(group)
        for name in left:
            await self._get_shard(name).unsubscribe(name)


class PublishLayer(RedisPubSubChannelLayer):
    """For the chat's own layer: messages are published, and kept nowhere.

    What is not said here goes to the layer in this event loop, as Channels has it.
    """

    async def new_channel(self, prefix: str = "specific.") -> str:
        return str(await (await self._named()).new_channel(prefix))

    async def group_add(self, group: str, channel: str) -> None:
        await (await self._named()).group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await (await self._named()).group_discard(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await (await self._named()).group_send(group, message)

    async def receive(self, channel: str) -> Any:
        """Raises Garbage where the next message can't be read; the one after it can."""
        with _kept_in_mind():
            return await self._get_layer().receive(channel)

    def deserialize(self, message: bytes) -> Any:
        try:
            return super().deserialize(message)
        except Exception as error:  # msgpack has many kinds
            raise Garbage(repr(error)) from error

    async def _named(self) -> _OneLoop:
        prefix = await installation.learn()
        layer = self._get_layer()
        layer.prefix = prefix
        return layer

    def _get_layer(self) -> _OneLoop:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            self._layers[loop] = _OneLoop(*self._args, **self._kwargs, channel_layer=self)
            _wrap_close(self, loop)
        layer: _OneLoop = self._layers[loop]
        return layer


# -- what nobody waits for any more ---------------------------------------------------------------

PATIENCE = 1.0  # seconds for a call that was left to end in its thread
AGAIN = 0.05  # seconds until one that goes on all the same is ended again


class _Call(NamedTuple):
    """A `receive` that waits. `waiter`: what its caller waits in, if it came by `async_to_sync`."""

    task: "asyncio.Task[Any]"
    waiter: Any

    def end(self) -> "Future[None]":
        """Returns what is done once its task is, and its connection closed: until then Redis would
        still give it the next message, which nobody would read."""
        ended: Future[None] = Future()
        try:
            self.task.get_loop().call_soon_threadsafe(self._end, ended)
        except RuntimeError:  # its loop has been closed
            ended.set_result(None)
        return ended

    def _end(self, ended: "Future[None]") -> None:
        self.task.add_done_callback(lambda _: ended.set_result(None))
        self._cancel()

    def _cancel(self) -> None:
        """Until it ends: redis-py sends within `asyncio.wait_for`, which in Python 3.11 passes a
        cancel by that comes just when it is done."""
        if self in _waiting.copy():
            self.task.cancel()
            self.task.get_loop().call_later(AGAIN, self._cancel)


# In a shell `receive` runs in a thread, in an event loop that `async_to_sync` has made, and Ctrl-C
# only gives the prompt back. Left alone it would take the next message, which the next call is to
# get, and Python would wait for its thread at the end.
_waiting: list[_Call] = []


@contextmanager
def _kept_in_mind() -> Iterator[None]:
    task = asyncio.current_task()
    assert task is not None
    call = _Call(task, _waiter())
    _waiting.append(call)
    try:
        yield
    finally:
        _waiting.remove(call)


def _waiter() -> Any:
    return getattr(AsyncToSync.executors, "current", None)


async def _end_what_was_left() -> None:
    """A thread makes one call after the other, or one within the other: what still waits for an
    earlier one of its calls was left."""
    waiter = _waiter()
    # asgiref has no other names for them; without them nothing is ended here.
    thread = getattr(waiter, "_work_thread", None)
    if thread is None:
        return
    outer = []
    while waiter is not None:
        outer.append(waiter)
        waiter = getattr(waiter, "_old_executor", None)
    left = [
        call
        for call in _waiting.copy()
        if getattr(call.waiter, "_work_thread", None) is thread and call.waiter not in outer
    ]
    if left:
        await asyncio.wait([asyncio.wrap_future(call.end()) for call in left], timeout=PATIENCE)


def _end_all() -> None:
    for call in _waiting.copy():  # each takes itself out, in its own thread
        call.end()


# Called before Python waits for its threads; `atexit` comes after. The newest is called first: it
# must stand after that of concurrent.futures, which asyncio has imported. Where Python has none, a
# shell that left a `receive` waiting ends at the second Ctrl-C.
if register := getattr(threading, "_register_atexit", None):
    register(_end_all)
