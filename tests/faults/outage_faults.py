"""What keeps PostgreSQL from writing while it answers, and Redis's own end of who reads too slowly.

Each leaves everything mended, as the others do (faults.py).
"""

import asyncio
import logging
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
from asgiref.sync import async_to_sync
from redis import Redis

from tests.faults.faults import Fault
from tests.faults.stage import Stage

DISK = 64  # megabytes
LINES = 4  # in one process's log about one trouble: it begins, changes, is over, and one to spare
REDIS_BOUND = 32  # megabytes that may wait for one subscriber, by default …
KERNEL = 16  # … behind what waits in the sockets' own buffers
COPIED = 8_192  # bytes of a message that is small enough for each subscriber to get its own copy
ENDED_WITHIN = 10  # seconds
FOUND_WITHIN = 15.0  # seconds
COULD_NOT_WRITE = "Could not write to the database"
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'No space left on device'; END $$;
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON chat_message
    FOR EACH ROW EXECUTE FUNCTION no_room();
"""


async def take_no_writes(stage: Stage) -> None:
    """Every connection that is made meanwhile stays read-only for as long as it lives."""
    url = stage.world.database_url
    name = urlsplit(url).path[1:]
    setting = "default_transaction_read_only"
    await asyncio.sleep(stage.part(0.2))
    with _counted(stage):
        _operate(url, f'ALTER DATABASE "{name}" SET {setting} = on', END_OTHERS)
        try:
            await _is_said(stage, "read-only")
            await asyncio.sleep(stage.part(0.4))
        finally:
            _operate(url, f'ALTER DATABASE "{name}" RESET {setting}')
        await _is_said(stage, "ok")
        await asyncio.sleep(stage.part(0.3))


async def fill_the_disk(stage: Stage) -> None:
    """A real one, for the messages' table; where this user may not mount, what PostgreSQL says."""
    url = stage.world.database_url
    await asyncio.sleep(stage.part(0.2))
    with _counted(stage), tempfile.TemporaryDirectory(prefix="chat-disk-") as place:
        disk = Path(place)
        is_real = await asyncio.to_thread(_mount, disk)
        stage.notes.append("a real disk" if is_real else "as a trigger says it")
        try:
            if is_real:
                await asyncio.to_thread(_move_messages, url, disk / "table")
                await asyncio.to_thread(_fill, disk / "filling")
            else:
                _operate(url, NO_ROOM)
            before = stage.world.said("No space left")
            began = time.monotonic()
            while stage.world.said("No space left") == before:
                if time.monotonic() - began > FOUND_WITHIN:
                    stage.fail("no write has failed: this proves nothing")
                    break
                await asyncio.sleep(0.05)
            await _is_said(stage, "full")
            await asyncio.sleep(stage.part(0.4))
        finally:
            if is_real:
                (disk / "filling").unlink(missing_ok=True)
                await asyncio.to_thread(_move_messages_back, url)
                await asyncio.to_thread(_unmount, disk)
            else:
                _operate(url, "DROP FUNCTION no_room CASCADE")
        await _is_said(stage, "ok")
        await asyncio.sleep(stage.part(0.3))


async def stop_a_subscriber(stage: Stage) -> None:
    """It reads nothing, and others go on, until Redis ends its connection at the bound it has by
    itself. What was published meanwhile is gone for it, nobody tells it so."""
    stopped = stage.random.choice(stage.world.servers)
    with Redis.from_url(stage.world.redis_url) as redis:

        def ended() -> int:
            return int(redis.info("stats")["client_output_buffer_limit_disconnections"])

        await asyncio.sleep(stage.part(0.2))
        before = ended()
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            for _ in range(2 * (REDIS_BOUND + KERNEL)):
                await asyncio.to_thread(async_to_sync(_tell_a_megabyte))
                if ended() > before:
                    break
            for _ in range(ENDED_WITHIN * 10):  # it ends connections between other work
                if ended() > before:
                    break
                await asyncio.sleep(0.1)
            else:
                stage.fail("Redis has ended nobody: this proves nothing")
            await asyncio.sleep(stage.part(0.3))
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        stage.notes.append(f"{ended() - before} ended by Redis")
    await asyncio.sleep(stage.part(0.3))


async def _tell_a_megabyte() -> None:
    """To every process: what each knows, and what is about nobody. In small messages, since Valkey
    does not copy large ones for each subscriber, and counts none of what it has not copied."""
    from channels.layers import get_channel_layer

    from chat.live.bus import HUBS
    from core.redis.layers import CHAT

    filling = {"type": "user.read_up_to", "room": 0, "user": 0, "seq": 0, "filling": "x" * COPIED}
    bundle = {"type": "hub.bundle", "from": "", "messages": [filling]}
    layer = get_channel_layer(CHAT)
    for _ in range(2**20 // COPIED):
        await layer.group_send(HUBS, bundle)


END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def _operate(url: str, *statements: str) -> None:
    """Do what an operator does, whom it does not befall."""
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute("SET default_transaction_read_only = off")
        for statement in statements:
            operator.execute(statement)  # type: ignore[call-overload]


async def _is_said(stage: Stage, word: str) -> None:
    """See that each process says by itself how it stands."""
    began = time.monotonic()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of each question
    async with httpx.AsyncClient(timeout=30) as client:
        for server in stage.world.servers:
            while True:
                answer = await client.get(f"{server.url}/healthz")
                if answer.json()["postgresql"] == word:
                    break
                if time.monotonic() - began > FOUND_WITHIN:
                    stage.fail(f"{server.url}/healthz says {answer.text}, not {word}")
                    return
                await asyncio.sleep(0.05)


@contextmanager
def _counted(stage: Stage) -> Iterator[None]:
    """See that an outage is a few lines in the log."""
    before = stage.world.said(COULD_NOT_WRITE)
    yield
    lines = stage.world.said(COULD_NOT_WRITE) - before
    stage.notes.append(f"{lines} lines about it in {len(stage.world.servers)} logs")
    if not 0 < lines <= LINES * len(stage.world.servers):
        stage.fail(f"the logs have {lines} lines about it")


def _mount(disk: Path) -> bool:
    """Make it a small disk of its own, which PostgreSQL may write to."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=755", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return False
    nobody = pwd.getpwnam("nobody")  # as whom PostgreSQL runs for root
    disk.parent.chmod(disk.parent.stat().st_mode | 0o001)
    (disk / "table").mkdir()
    os.chown(disk / "table", nobody.pw_uid, nobody.pw_gid)
    return True


def _unmount(disk: Path) -> None:
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _move_messages(url: str, place: Path) -> None:
    _operate(
        url,
        f"CREATE TABLESPACE small LOCATION '{place}'",
        "ALTER TABLE chat_message SET TABLESPACE small",
    )


def _move_messages_back(url: str) -> None:
    _operate(url, "ALTER TABLE chat_message SET TABLESPACE pg_default", "DROP TABLESPACE small")


def _fill(file: Path) -> None:
    """Write until there is no room."""
    with file.open("wb", buffering=0) as filling:
        for size in (2**20, 2**12, 1):
            try:
                while filling.write(b"\0" * size):
                    pass
            except OSError:
                continue


OUTAGE_FAULTS: dict[int, Fault] = {
    17: Fault("PostgreSQL takes no writes", take_no_writes),
    18: Fault("no room on the disk", fill_the_disk),
    19: Fault("Redis ends a slow subscriber", stop_a_subscriber),
}
