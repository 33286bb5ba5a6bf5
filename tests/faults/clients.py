"""A client written after chat/PROTOCOL.md: comes back with its cursor, resends until confirmed."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from tests.faults.commands import Command, Effects, Frame, Own, Plan
from tests.faults.log import CHANGES, Log, Problem

LATER = {"unavailable", "rate_limited", "slow_mode"}  # errors after which trying again helps
PENDING = 4  # commands that a client lets wait for an answer before it makes up more
BACKOFF = 2.0  # seconds at most between two attempts to come back


class Person(NamedTuple):
    id: int
    cookie: str  # of a session


class FirstSeen:
    """When a change first reached anybody: what the delay of the others is measured from. And how
    large it was: the size of what others miss."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self.sizes: dict[int, int] = {}

    def delay(self, pos: int, now: float, since: float) -> float:
        """Seconds that somebody who was there from `since` got `pos` after the first one."""
        return now - max(since, self._times.setdefault(pos, now))


class Client:
    """One person in one room, on whichever process lets it in; `home` pins it to one."""

    def __init__(
        self,
        name: str,
        person: Person,
        room: str,
        processes: Sequence[str],
        *,
        seed: str,
        first_seen: FirstSeen,
        lines: bool = True,
        home: int | None = None,
    ) -> None:
        self.name = name
        self.person = person
        self.room = room
        self.log = Log(person.id)
        self.plan = Plan(name, seed)
        self.effects = Effects()
        self.waiting: dict[str, Command] = {}
        self.closings: list[tuple[int, int | None]] = []  # process and close code of each end
        self.process = -1  # where it is connected now
        self.problems: list[Problem] = []
        self.slowest = 0.0  # seconds that a live change came after others had it
        self.reads = asyncio.Event()  # cleared: it does not read
        self.reads.set()
        self._processes = processes
        self._home = home
        self._lines = lines
        self.first_seen = first_seen
        self._connections = 0
        self._joined_at = 0.0
        self._return_after: float | None = None
        self._wake = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None

    # -- coming and going ---------------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled() and (error := self._task.exception()):
                raise error

    @property
    def is_joined(self) -> bool:
        return self._socket is not None and self.log.joined

    async def _run(self) -> None:
        failures = 0
        while True:
            self.log.connected()
            with suppress(OSError, WebSocketException, EOFError):
                await self._visit()
            failures = 0 if self.log.joined else failures + 1
            await asyncio.sleep(self._pause(failures))

    def _pause(self, failures: int) -> float:
        """As long as the server asked for; else a random while that grows."""
        after, self._return_after = self._return_after, None
        if after is not None:
            return after
        return self.plan.random.uniform(0.02, min(BACKOFF, 0.2 * 2**failures))

    async def _visit(self) -> None:
        process = self._home
        if process is None:
            process = self.plan.random.randrange(len(self._processes))
        since = "" if self.log.cursor is None else str(self.log.cursor)
        async with connect(
            f"{self._processes[process]}/ws/chat/{self.room}/?since={since}",
            additional_headers={"Cookie": self.person.cookie},
            subprotocols=["chat.v1"] if self._lines else None,  # type: ignore[list-item]
            compression=None,
            proxy=None,
            open_timeout=10,
            close_timeout=1,
            ping_interval=None,
            max_size=2**22,
            max_queue=16,
        ) as connection:
            self._connections += 1
            self._socket, self.process = connection, process
            sender = asyncio.create_task(self._send_for_ever(connection))
            try:
                async for payload in connection:
                    self._take(str(payload))
                    await self.reads.wait()
            finally:
                sender.cancel()
                self._socket, self.process = None, -1
                self.closings.append((process, connection.close_code))

    def cut(self) -> None:
        """Be gone at once, without a word (RST)."""
        if self._socket is not None:
            tcp: socket.socket = self._socket.transport.get_extra_info("socket")
            with suppress(OSError):
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._socket.transport.abort()

    def cut_in_a_frame(self) -> None:
        """Be gone in the middle of a frame on its way to the server."""
        if self._socket is not None:
            text = json.dumps(self.plan.post()).encode()
            frame = WireFrame(Opcode.TEXT, text).serialize(mask=True)
            self._socket.transport.write(frame[: self.plan.random.randrange(1, len(frame))])
            self._socket.transport.close()

    # -- sending ------------------------------------------------------------------------------

    def submit(self, frame: Frame) -> None:
        key = frame.get("client_id") or frame["ref"]
        self.waiting[key] = Command(key, frame, time.monotonic())
        self._wake.set()

    def act(self) -> None:
        """Do something: post, edit, delete, react."""
        if len(self.waiting) >= PENDING:
            return
        mine = self._editable()
        others = [pk for pk, one in self.log.messages.items() if "deleted" not in one]
        busy = {command.about for command in self.waiting.values()}
        others = [pk for pk in others[-20:] if pk not in busy]
        dice = self.plan.random.random()
        if dice < 0.2 and mine:
            self.submit(self.plan.edit(self.plan.random.choice(mine)))
        elif dice < 0.25 and mine:
            self.submit(self.plan.delete(self.plan.random.choice(mine)))
        elif dice < 0.5 and others:
            self.submit(self.plan.react(self.plan.random.choice(others), self.effects))
        else:
            self.submit(self.plan.post())

    def _editable(self) -> list[Own]:
        """Own messages with nothing under way: a client's changes of one message come in order."""
        busy = {command.about for command in self.waiting.values()}
        return [
            own
            for own in self.effects.posts.values()
            if not own.deleted and own.id not in busy and own.id in self.log.messages
        ]

    async def _send_for_ever(self, connection: ClientConnection) -> None:
        with suppress(WebSocketException):
            while True:
                self._wake.clear()
                now = time.monotonic()
                if self.log.joined:
                    for command in list(self.waiting.values()):
                        if self._is_due(command, now):
                            command.sent_on, command.retry_at = self._connections, 0.0
                            self.log.sent(command.frame)
                            await connection.send(json.dumps(command.frame))
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await self._wake.wait()

    def _is_due(self, command: Command, now: float) -> bool:
        if command.sent_on != self._connections:
            return now >= command.retry_at
        return command.retry_at > 0 and now >= command.retry_at

    # -- receiving ----------------------------------------------------------------------------

    def _take(self, payload: str) -> None:
        # Only JSON's own newline parts objects; it has none inside.
        for line in payload.split("\n") if self._lines else [payload]:
            frame = json.loads(line)
            if self.log.joined and frame["type"] in CHANGES:
                self.first_seen.sizes[frame["pos"]] = len(line)
                self._measure(frame)
            before = self.log.joined
            self.log.take(frame)
            match frame["type"]:
                case "chat.history":
                    for message in frame["messages"]:
                        self._confirm(message)
                case "error":
                    self._refused(frame)
                case kind if kind in CHANGES:
                    self._confirm(frame)
            if self.log.joined and not before:
                self._joined_at = time.monotonic()
                self._wake.set()

    def _measure(self, frame: Frame) -> None:
        if self.log.cursor is not None and frame["pos"] > self.log.cursor:
            now = time.monotonic()
            delay = self.first_seen.delay(frame["pos"], now, self._joined_at)
            self.slowest = max(self.slowest, delay)

    def _confirm(self, frame: Frame) -> None:
        if frame["user"]["id"] == self.person.id:
            self._confirm_post(frame)
        command = self.waiting.get(frame.get("ref", ""))
        if command is not None:
            self._done(command)
            what = command.frame
            own = self.effects.own(what["id"])
            if what["type"] == "chat.react":
                self.effects.reactions[what["id"], what["emoji"]] = what["on"]
            elif own is not None and what["type"] == "chat.edit":
                own.text = what["message"]
            elif own is not None:
                own.deleted = True

    def _confirm_post(self, frame: Frame) -> None:
        client_id = frame["client_id"]
        known = self.effects.posts.get(client_id)
        command = self.waiting.get(client_id)
        if command is not None:
            self._done(command)
            text = command.frame["message"]
            own = Own(frame["id"], frame["seq"], text.split()[0], text)
            self.effects.posts.setdefault(client_id, own)
        if known is not None and (known.id, known.seq) != (frame["id"], frame["seq"]):
            self.problems.append(Problem("doubled", f"{client_id} is {known} and {frame}"))

    def _done(self, command: Command) -> None:
        del self.waiting[command.key]
        self.effects.confirmed += 1

    def _refused(self, frame: Frame) -> None:
        key = frame.get("client_id") or frame.get("ref")
        if key is None:
            self._return_after = frame.get("retry_after")
            return
        command = self.waiting.get(key)
        if command is None:
            return
        if frame["code"] in LATER:
            command.retry_at = time.monotonic() + frame.get("retry_after", 1.0)
            return
        del self.waiting[key]
        what = command.frame
        if what.get("type") == "chat.react" and frame["code"] == "not_found":
            # Its author has deleted the message. An attempt before may have succeeded.
            self.effects.reactions.pop((what["id"], what["emoji"]), None)
        else:
            self.problems.append(Problem("lost", f"refused: {what} with {frame}"))
