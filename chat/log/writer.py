"""Group commit: one writer a process takes whatever waits into the next transaction.

There is no timer and no added delay: while one transaction runs, the next batch gathers.
"""

import asyncio
import logging
import queue
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

from chat.log import apply
from chat.log.apply import Unsure
from chat.log.write import Outcome, Write
from chat.protocol.commands import Read
from chat.protocol.errors import Gone, Refused
from core import tasks
from core.database.readiness import writing
from core.trouble import line

logger = logging.getLogger(__name__)

BATCH_MAX = 500  # commands a transaction
TRIES = 4  # of a batch that met a deadlock or a lost connection: about a second in all
RETRY_AFTER = 2.0  # seconds, told to senders while the database is away
# SQLSTATE classes after which the same transaction may succeed: deadlock and serialization
# failures, connection trouble, and the server's shutting down or being started.
TRANSIENT = ("40", "08", "57")

# Whoever wants to know the outcome; the writer only hands it back.
Origin = Any
Announce = Callable[[Sequence[tuple[Write, Origin, Outcome]]], None]
Waiting = tuple[Write, Origin]


class Writer:
    """Takes writes from the event loop, writes them on a thread of its own, brings outcomes back.

    `announce` is called on the loop with each batch that was written: (write, origin, outcome).
    """

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self.queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self.accepted = 0
        self.task: tasks.Kept | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = True

    def submit(self, write: Write, origin: Origin) -> None:
        """Queue `write`. Raises Refused where too much waits already, or we are ending."""
        if not self._open or self.accepted >= settings.CHAT_WRITER_QUEUE:
            raise Refused("unavailable", "The server is busy right now.", RETRY_AFTER)
        if self.task is None:
            self.task = tasks.keep("writer", self._work, vital=True)
        self.accepted += 1
        self._idle.clear()
        self.queue.put((write, origin))

    async def drain(self) -> None:
        """Take no more, finish what was accepted, end the thread."""
        self._open = False
        try:
            await self._idle.wait()
        finally:
            self.queue.put(None)  # else the thread, and so the process, would never end
        if self.task is not None:
            await self.task.wait()

    def give_up(self) -> None:
        """Refuse what still waits, so that its senders know, and send it again elsewhere."""
        abandoned: list[Waiting] = []
        with suppress(queue.Empty):
            while True:
                waiting = self.queue.get_nowait()
                if waiting is not None:
                    abandoned.append(waiting)
        self.queue.put(None)
        self._finish(abandoned, [_unavailable()] * len(abandoned))

    async def _work(self) -> None:
        # One call that lasts as long as the process: the thread keeps its database connection,
        # and a batch costs one wake-up each way instead of a future and a thread hop.
        executor = ThreadPoolExecutor(1, thread_name_prefix="writer")
        run = database_sync_to_async(self.run_thread, thread_sensitive=False, executor=executor)
        thread = tasks.spawn("writer's thread", run(asyncio.get_running_loop()))
        try:
            await asyncio.shield(thread)
        except asyncio.CancelledError:
            self.queue.put(None)  # there is to be one thread, also where we begin again
            await asyncio.wait([thread])
            raise
        finally:
            executor.shutdown(wait=False)

    def run_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread."""
        while batch := self._gather():
            reads = [waiting for waiting in batch if isinstance(waiting[0].command, Read)]
            rest = [waiting for waiting in batch if not isinstance(waiting[0].command, Read)]
            unwritten = [part for part in (rest, reads) if part]
            try:
                while unwritten:
                    outcomes = write_all([write for write, _ in unwritten[0]])
                    loop.call_soon_threadsafe(self._finish, unwritten.pop(0), outcomes)
            except BaseException:
                # Perhaps it was written. Their senders send it again, and it is written once.
                for part in unwritten:
                    refusals = [_unavailable()] * len(part)
                    loop.call_soon_threadsafe(self._finish, part, refusals)
                raise

    def _gather(self) -> list[Waiting]:
        """Wait for a write, then take all that are there. Empty: it is time to end."""
        first = self.queue.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < BATCH_MAX:
            try:
                waiting = self.queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:  # end after this batch
                self.queue.put(None)
                break
            batch.append(waiting)
        return batch

    def _finish(self, batch: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
        self.accepted -= len(batch)
        if not self.accepted:
            self._idle.set()
        written = zip(batch, outcomes, strict=True)
        self._announce([(write, origin, outcome) for (write, origin), outcome in written])


def write_all(writes: Sequence[Write]) -> list[Outcome]:
    """All in one transaction; where that fails for good, one by one, so that one fails alone."""
    try:
        return _retried(writes)
    except Exception as error:
        if isinstance(error, (OperationalError, InterfaceError)):
            writing.met(error)
            return [_unavailable()] * len(writes)
        if len(writes) > 1:
            logger.warning("A batch of %d failed, trying one by one: %s", len(writes), line(error))
            return _one_by_one(writes)
        logger.exception("A command could not be written: %r", type(writes[0].command))
        detail = "This could not be saved. Change it, or contact the people who run this site."
        return [Refused("bad_command", detail)]


def _one_by_one(writes: Sequence[Write]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for write in writes:
        outcomes += write_all([write])
        last = outcomes[-1]
        is_away = isinstance(last, Refused) and last.code == "unavailable"
        if is_away and not isinstance(last, Gone):
            break  # the others would wait as long, one after the other
    return outcomes + [_unavailable()] * (len(writes) - len(outcomes))


def _retried(writes: Sequence[Write]) -> list[Outcome]:
    unsure: Unsure | None = None
    for attempt in range(TRIES):
        error: Error
        try:
            outcomes = apply.apply(writes, unsure)
            writing.over()
            return outcomes
        except Unsure as lost:
            unsure, error = lost, lost.error
        except Error as failed:
            error = failed
        if attempt == TRIES - 1 or not _is_transient(error):
            break
        time.sleep(random.uniform(0.5, 1.0) * 0.05 * 4**attempt)
    if unsure is None:
        raise error
    # Not one by one either: what may be there already must not be carried out once more.
    writing.met(f"It is not known what of a batch of {len(writes)} was written: {error}")
    return [_unavailable()] * len(writes)


def _is_transient(error: Error) -> bool:
    if isinstance(error.__cause__, PoolTimeout):  # it has tried for seconds: let the senders know
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None or connection.connection is None:
        # The connection broke before the server could say why, or was given up: another may do.
        return isinstance(error, (OperationalError, InterfaceError))
    return state.startswith(TRANSIENT)


def _unavailable() -> Refused:
    return Refused("unavailable", "Your message could not be saved right now.", RETRY_AFTER)
