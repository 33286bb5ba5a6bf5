"""One process's place on the channel layer: what it hears, what it tells, and whether it is heard.

Nothing here is trusted with anything: what is dropped, doubled or reordered is found by `pos` and
by comparing heads with the database (chat/live/repairs.py).
"""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import uuid4

from channels.layers import get_channel_layer

from chat.live import bus
from chat.live.bus import HUBS, LAYER_TIMEOUT
from core import tasks
from core.redis import installation
from core.redis.layers import CHAT, Garbage
from core.trouble import Trouble

logger = logging.getLogger(
    __name__
)  # each kind of line seldom: others may cause many (core/logs.py)

PULSE = 1.0  # seconds between messages to ourselves …
PULSE_LATE = 2.5  # … without which, for so long, Redis counts as away …
DEAF = 6.0  # … or we as deaf, where it takes them
FORGET = 10.0  # seconds of silence, after which another process counts as gone
PROCESSES_MAX = 1_000  # that are known
OUTGOING_MAX = 1_000  # messages to one group that wait for Redis

M = TypeVar("M", bound=bus.Message)


class Mailbox:
    """`hear` the messages of other processes, `tell` them others."""

    def __init__(self) -> None:
        self.process_id = uuid4().hex
        self._handlers: defaultdict[type[bus.Message], list[Callable[[Any], None]]]
        self._handlers = defaultdict(list)
        self.hear(bus.Pulse, self._on_pulse)
        self.layer = get_channel_layer(CHAT)
        self.name = ""  # none yet, or none any more
        self._prefix = ""  # with which it and its groups were named
        self.tried = asyncio.Event()  # to get one, with success or without
        self._wanted: set[str] = set()  # groups …
        self._joined: set[str] = set()  # … and those of them that reach us
        self.outgoing: dict[str, list[bus.Message]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._redis = Trouble(logger, "Hub: Redis does not take messages")
        self.pulses: dict[str, float] = {self.process_id: time.monotonic()}
        self._listens_from = math.inf  # when we began to hear others
        self._kept: list[tasks.Kept] = []

    def start(self) -> None:
        if not self._kept:
            installation.watch()
            self._kept = [
                tasks.keep("hub receiving", self._receive_for_ever),
                tasks.keep("hub pulse", self._pulse_for_ever),
            ]

    def close(self) -> None:
        for one in self._kept:
            one.cancel()
        if self._sending is not None:
            self._sending.cancel()

    # -- telling ------------------------------------------------------------------------------

    def tell(self, group: str, message: bus.Message) -> None:
        """Send `message` to the other processes in `group`; nobody waits for it."""
        if self.is_alone:
            return
        waiting = self.outgoing.setdefault(group, [])
        if len(waiting) < OUTGOING_MAX:  # Redis hangs; what is dropped is found by comparing heads
            waiting.append(message)
        if self._sending is None or self._sending.done():
            self._sending = tasks.spawn("hub sending", self._send_all())

    async def _send_all(self) -> None:
        """What gathers while one round of sends runs leaves as one message a group."""
        while self.outgoing:
            outgoing, self.outgoing = self.outgoing, {}
            for group, messages in outgoing.items():
                bundle = bus.packed(self.process_id, messages)
                await self._call(self.layer.group_send, group, bundle)

    async def _call(self, call: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> bool:
        """False where Redis does not take it."""
        try:
            async with asyncio.timeout(LAYER_TIMEOUT):
                await call(*args)
        except Exception as error:
            self._redis.met(repr(error))  # the others find what they missed by comparing heads
            return False
        self._redis.over()
        return True

    # -- groups -------------------------------------------------------------------------------

    async def join(self, group: str) -> None:
        """Hear what is told to `group`: from now on, or as soon as Redis is there."""
        self._wanted.add(group)
        await self.tried.wait()
        await self._join(group)

    async def leave(self, group: str) -> None:
        """Hear it no longer."""
        self._wanted.discard(group)
        if group in self._joined:
            self._joined.discard(group)
            await self._call(self.layer.group_discard, group, self.name)
        if group in self._wanted:  # somebody came back meanwhile
            await self._join(group)

    async def _join(self, group: str) -> None:
        name = self.name  # where there is none yet: as soon as there is one
        if name and await self._call(self.layer.group_add, group, name) and name == self.name:
            self._joined.add(group)

    # -- hearing ------------------------------------------------------------------------------

    @property
    def redis_is_away(self) -> bool:
        return time.monotonic() - self.pulses[self.process_id] > PULSE_LATE

    @property
    def is_alone(self) -> bool:
        """No other process has been heard for a while: there is nobody to tell.

        A new process makes itself heard before it reads a room. What is committed in the moment
        until we hear it, it finds by comparing heads, which it does more often at first. As long
        as we are new ourselves the others may be there without our having heard them.
        """
        return len(self.pulses) == 1 and time.monotonic() > self._listens_from + PULSE_LATE

    async def _receive_for_ever(self) -> None:
        name = await self._open()
        try:
            self.name = name
            await self._pulse()
            self.tried.set()
            for group in list(self._wanted):  # this is not our first mailbox
                await self._join(group)
            while True:
                try:
                    self._take(await self.layer.receive(name))
                except Garbage as error:
                    self._pass_by(error)
        finally:
            self.name = ""
            self._joined.clear()
            self._listens_from = math.inf
            tasks.spawn("hub's old mailbox", self._call(self.layer.forget, name))

    async def _open(self) -> str:
        """A mailbox that what is told to all reaches, once Redis and PostgreSQL let us have it."""
        name = ""
        while True:
            try:
                async with asyncio.timeout(LAYER_TIMEOUT):
                    self._prefix = await installation.learn()
                    name = name or await self.layer.new_channel("hub.")
                    await self.layer.group_add(HUBS, name)
            except Exception as error:
                self._redis.met(f"no mailbox yet: {error!r}")
                self.tried.set()
                await asyncio.sleep(PULSE)
            else:
                self._listens_from = time.monotonic()
                return name

    def _take(self, received: Any) -> None:
        bundle = bus.opened(received)
        if bundle.sender == self.process_id and bundle.type != "hub.pulses":
            return  # our own; delivered when it was published
        for message in bundle.messages:
            try:
                understood = bus.understood(message)
            except Garbage as error:
                self._pass_by(error)
                continue
            if understood is not None:
                self.handle(understood)

    def hear(self, kind: type[M], handler: Callable[[M], None]) -> None:
        """Have `handler` take the messages of this kind, after those that take it already."""
        self._handlers[kind].append(handler)

    def handle(self, message: bus.Message) -> None:
        """Each message, and each handler, alone: one that fails must not take others along."""
        for handler in self._handlers[type(message)]:
            try:
                handler(message)
            except Exception as error:
                logger.warning("Hub: a message could not be handled", exc_info=error)

    def _pass_by(self, error: Garbage) -> None:
        logger.warning("Hub: passed by what no process of ours says: %.300s", error)

    # -- pulses -------------------------------------------------------------------------------

    def _on_pulse(self, pulse: bus.Pulse) -> None:
        if len(self.pulses) < PROCESSES_MAX or pulse.process in self.pulses:
            self.pulses[pulse.process] = time.monotonic()

    async def _pulse_for_ever(self) -> None:
        """Redis is there if a message to ourselves comes back; nothing else tells it as surely."""
        while True:
            if self.name:
                self._see_that_we_hear(is_sent=await self._pulse())
                for group in self._wanted - self._joined:
                    await self._join(group)
            await asyncio.sleep(PULSE)

    async def _pulse(self) -> bool:
        """Whether Redis has taken it."""
        pulse = bus.packed(self.process_id, [bus.Pulse(self.process_id)], kind="hub.pulses")
        is_sent = await self._call(self.layer.group_send, HUBS, pulse)
        if not self.redis_is_away:  # else nobody can be heard
            silent = time.monotonic() - FORGET
            self.pulses = {one: heard for one, heard in self.pulses.items() if heard >= silent}
        return is_sent

    def _see_that_we_hear(self, *, is_sent: bool) -> None:
        receiving = self._kept[0]
        if installation.known() != self._prefix:
            receiving.begin_again()
        last = max(self.pulses[self.process_id], self._listens_from)
        if is_sent and time.monotonic() - last > DEAF:
            receiving.fail("Redis takes our messages to ourselves, and none has come back")
