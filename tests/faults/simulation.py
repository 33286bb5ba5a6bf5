"""Two processes of the chat without sockets, threads or timers: what happens next is the caller's.

Everything that takes time is cut into steps: a commit and its announcement, a read of the database
and its coming back, a message on the channel layer, a timer. In between runs what the event loop
has ready. So an order of steps is repeatable, however unlikely it is in life. Writer (gathering,
trying again, falling back to one by one), announcing, feeds, catch-up and answers are the server's
own code, on a real PostgreSQL; only when a writer's thread has its turn is the caller's, too.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from chat.consumers import RoomConsumer
from chat.live import bus, hub, repairs
from chat.live.connection import Connection
from chat.live.outbox import Outbox, Parcel
from chat.log.writer import TRIES
from chat.models import Room
from chat.process import Process
from chat.protocol.commands import TYPES, Command
from chat.protocol.errors import Refused
from chat.rooms.admission import Admission
from core.models import User
from tests.faults import check
from tests.faults.database_faults import DatabaseFaults
from tests.faults.log import Frame, Log, Problem

PROCESSES = 2
POISON = "\0"  # no database takes it, and no decoder lets it through
ROUNDS = 50  # more than enough for everything to come to rest


class LogBox(Outbox):
    """Hands everything to a log at once."""

    def __init__(self, log: Log) -> None:  # nothing is sent, so nothing of its own is needed
        self._log = log
        self.is_plain = False

    def push(self, parcel: Parcel) -> None:
        for one in parcel.objects:
            self._log.take(json.loads(one))

    async def flushed(self) -> None:
        pass

    def close(self) -> None:
        pass


class Layer:
    """The channel layer of one process; what is sent waits until the caller lets it through."""

    def __init__(self, mail: "list[Letter]", number: int) -> None:
        self.groups: set[str] = set()
        self._mail = mail
        self._number = number
        self.others: list[tuple[int, Layer]] = []

    async def group_add(self, group: str, mailbox: str) -> None:
        self.groups.add(group)

    async def group_discard(self, group: str, mailbox: str) -> None:
        self.groups.discard(group)

    async def group_send(self, group: str, bundle: dict[str, Any]) -> None:
        packed = msgspec.msgpack.encode(bundle)
        for number, other in self.others:
            if group in other.groups:
                self._mail.append(Letter(number, packed))


class Letter(NamedTuple):
    """A message of the channel layer on its way to a process."""

    to: int
    bundle: bytes


class Turn:
    """The event loop, as a writer's thread sees it: what was written waits to be announced."""

    def __init__(self) -> None:
        self.written: deque[partial[None]] = deque()

    def call_soon_threadsafe(self, callback: Callable[..., None], *args: Any) -> None:
        self.written.append(partial(callback, *args))


class Read:
    """A read of the database: first it is carried out, then its result comes back."""

    def __init__(self, work: Callable[[], Any], result: asyncio.Future[Any]) -> None:
        self.work = work
        self.result = result
        self.answer: Any = None
        self.is_done = False


class Client:
    """Somebody with a cursor; connected to a process, or not."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.log = Log(user.pk)
        self.connection: Connection | None = None
        self.engine: Process | None = None
        self.entering: asyncio.Task[None] | None = None
        self.sent: list[Frame] = []

    @property
    def is_joined(self) -> bool:
        return self.connection is not None and self.log.joined


class Simulation:
    def __init__(
        self,
        room: Room,
        users: Iterable[User],
        thread: ThreadPoolExecutor,
        patch: pytest.MonkeyPatch,
    ) -> None:
        self.room = room
        self.clients = [Client(user) for user in users]
        self.mail: list[Letter] = []
        self.reads: list[Read] = []
        self.timers: list[Callable[[], Any]] = []
        self.problems: list[Problem] = []  # of logs that were given up
        self.comparisons: list[asyncio.Task[None]] = []
        self.failures: list[BaseException] = []
        self._thread = thread
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        patch.setattr(loop, "call_later", self._call_later)
        for module in (hub, repairs):
            patch.setattr(module, "query", self._query)
        patch.setattr(repairs, "HOLE_WAIT", 0)
        self.processes = [Process() for _ in range(PROCESSES)]
        self.turns = [Turn() for _ in self.processes]
        self.faults = DatabaseFaults(patch, self._others_write)
        self._connect_layers()
        for engine in self.processes:
            engine.writer.task = asyncio.create_task(asyncio.sleep(0))  # no thread
            engine.online.show = lambda *_: None  # type: ignore[method-assign] # only the log

    def _connect_layers(self) -> None:
        layers = [Layer(self.mail, number) for number in range(PROCESSES)]
        for number, (engine, layer) in enumerate(zip(self.processes, layers, strict=True)):
            layer.others = [(n, other) for n, other in enumerate(layers) if n != number]
            one = engine.hub.mailbox
            one.layer, one.name = layer, f"mailbox-{number}"
            one.tried.set()
            for kept in (one, engine.hub.repairs):
                kept.start = lambda: None  # type: ignore[method-assign] # no timers, no pulses
            # Everybody is heard, and Redis is there.
            one.pulses = dict.fromkeys([one.process_id, "another"], float("inf"))

    # -- what takes time ----------------------------------------------------------------------

    def ask(self, work: Callable[[], Any]) -> Any:
        """The database's answer, while everything else stands still."""
        return self._thread.submit(work).result()

    def _query(self, function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def read(*args: Any, **options: Any) -> Any:
            result = asyncio.get_running_loop().create_future()
            self.reads.append(Read(partial(function, *args, **options), result))
            return await result

        return read

    def _call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **_: Any) -> None:
        self.timers.append(partial(callback, *args))

    def _failed(self, _: Any, context: Mapping[str, Any]) -> None:
        self.failures.append(context.get("exception") or AssertionError(context["message"]))

    async def breathe(self) -> None:
        """Run what is ready. Nothing waits for anything but the caller."""
        for _ in range(12):
            await asyncio.sleep(0)

    # -- steps --------------------------------------------------------------------------------

    async def connect(self, client: Client, process: int, *, anew: bool = False) -> None:
        """`anew` without a cursor, as a page does that was just opened."""
        if client.connection is not None:
            return
        if anew:
            self.problems += [*client.log.problems, *check.check_resets(client.log, {})]
            client.log = Log(client.user.pk)
        engine = self.processes[process]
        client.log.connected()
        admitted = Admission(client.user, self.room, "member", ["post", "react"])
        connection = Connection(
            admitted,
            LogBox(client.log),
            self._close,
            process_id=engine.hub.mailbox.process_id,
            session=None,
        )
        client.connection, client.engine = connection, engine
        client.entering = asyncio.create_task(self._enter(client, connection, engine))

    async def _enter(self, client: Client, connection: Connection, engine: Process) -> None:
        """As RoomConsumer does after it has let somebody in."""
        consumer = RoomConsumer()
        cursor = client.log.cursor
        query = b"" if cursor is None else b"since=%d" % cursor
        consumer.scope, consumer.process = {"query_string": query}, engine
        consumer.feed = await engine.hub.follow(connection)
        await consumer.show_history(connection)

    @staticmethod
    async def _close(code: int) -> None:
        pass

    async def disconnect(self, client: Client) -> None:
        connection, engine, entering = client.connection, client.engine, client.entering
        if connection is None or engine is None or entering is None:
            return
        if not entering.done():
            entering.cancel()
            await asyncio.wait([entering])
        connection.end()
        client.connection = client.engine = client.entering = None

    def send(self, client: Client, frame: Frame) -> None:
        """A command reaches the process's writer, and waits there."""
        if not client.is_joined or client.connection is None or client.engine is None:
            return
        client.log.sent(frame)
        client.sent.append(frame)
        client.engine.submit(client.connection, _command(frame))

    def commit(self, process: int, *faults: str) -> None:
        """The writer's turn to take what waits. `faults` befall its transactions, one each."""
        writer = self.processes[process].writer
        if writer.queue.empty():
            return
        self.faults.come(*faults)
        writer.queue.put(None)  # or it would wait for more
        turn = self.turns[process]
        before = len(turn.written)
        self.ask(lambda: writer.run_thread(turn))  # type: ignore[arg-type]
        self.faults.end()
        for call in list(turn.written)[before:]:
            self._check_refusals(*call.args, is_away=len(faults) >= TRIES)

    def _others_write(self) -> None:
        """On the thread: all writers take what waits."""
        for one, turn in zip(self.processes, self.turns, strict=True):
            if not one.writer.queue.empty():
                one.writer.queue.put(None)
                one.writer.run_thread(turn)  # type: ignore[arg-type]

    def _check_refusals(self, batch: Any, outcomes: Any, *, is_away: bool) -> None:
        """A command fails alone, and of a fault that passes nobody hears."""
        for (write, _), outcome in zip(batch, outcomes, strict=True):
            code = outcome.code if isinstance(outcome, Refused) else ""
            is_poison = getattr(write.command, "message", "") == POISON
            if (code == "bad_command") != is_poison and code != "unavailable":
                self.problems.append(Problem("lost", f"{write.command} ended as {outcome}"))
            if code == "unavailable" and not is_away:
                self.problems.append(Problem("lost", f"{write.command} ended as {outcome}"))

    def announce(self, process: int) -> None:
        """The writer's outcomes come back to the event loop."""
        if self.turns[process].written:
            self.turns[process].written.popleft()()

    def read(self, number: int) -> None:
        """Carry out a read; one that was carried out comes back."""
        if not self.reads:
            return
        read = self.reads[number % len(self.reads)]
        if not read.is_done:
            read.answer, read.is_done = self.ask(read.work), True
            return
        self.reads.remove(read)
        if not read.result.done():
            read.result.set_result(read.answer)

    def deliver(self, number: int, *, keep: bool = False, lose: bool = False) -> None:
        """Bring a letter; `keep` brings it once more later, `lose` brings it never."""
        if not self.mail:
            return
        number %= len(self.mail)
        letter = self.mail[number] if keep else self.mail.pop(number)
        if not lose:
            receiver = self.processes[letter.to].hub.mailbox
            bundle = msgspec.msgpack.decode(letter.bundle)
            for message in bundle["messages"]:
                understood = bus.understood(message)
                assert understood is not None
                receiver.handle(understood)

    def fire(self, number: int) -> None:
        """A timer's time has come."""
        if self.timers:
            self.timers.pop(number % len(self.timers))()

    def all_mail(self, *, lose: bool) -> None:
        for _ in range(len(self.mail)):
            self.deliver(0, lose=lose)

    async def all_reads(self) -> None:
        for _ in range(ROUNDS):
            self.read(0)
            await self.breathe()

    def compare(self, process: int) -> None:
        """The timer that compares heads with the database."""
        self.comparisons.append(asyncio.create_task(self.processes[process].hub.repairs.compare()))

    # -- the end ------------------------------------------------------------------------------

    async def rest(self, *, lose: bool) -> None:
        """Let everything come to its end; what is still on the layer is lost, or comes."""
        for process in range(PROCESSES):
            self.commit(process)
        for _ in range(ROUNDS):
            for process in range(PROCESSES):
                self.announce(process)
            self.deliver(0, lose=lose)
            self.read(0)
            await self.breathe()
        for process in range(PROCESSES):
            self.compare(process)
        for _ in range(ROUNDS):
            self.deliver(0, lose=lose)
            self.read(0)
            await self.breathe()
        for comparison in self.comparisons:
            assert comparison.done()
            comparison.result()
        assert not any(engine.writer.accepted for engine in self.processes)
        assert not self.mail
        assert not self.reads

    async def close(self) -> None:
        for client in self.clients:
            await self.disconnect(client)
        for engine in self.processes:
            engine.hub.close()
        await self.breathe()
        assert not self.failures, self.failures


def _command(frame: Frame) -> Command:
    fields = {name: value for name, value in frame.items() if name != "type"}
    return msgspec.convert(fields, TYPES[frame["type"]])


def client_id(number: int) -> str:
    return str(UUID(int=number + 1))
