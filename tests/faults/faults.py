"""What is done to the chat while people use it. Each leaves everything mended."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import psycopg

from tests.faults.breaks import CLOSED_SLOW
from tests.faults.clients import Client, Person
from tests.faults.log import Problem
from tests.faults.stage import Stage

LONG = 5.0  # seconds of load, from which some are done twice
FORGOTTEN = 4.0  # seconds after which nobody tries any more to tell Redis something
LEAVES_WITHIN = 10.0  # seconds
SLOW_WITHIN = 40.0  # seconds for a client that does not read to be closed
UNDELAYED = 3.0  # seconds that the others' changes may take meanwhile, on a busy machine


class Fault(NamedTuple):
    title: str
    run: Callable[[Stage], Awaitable[None]]
    layer: str = ""  # faults of the channel layer (see layer.py)
    prepare: Callable[[Stage, Sequence[Person]], None] | None = None  # clients beside the usual


async def kill_a_process(stage: Stage) -> None:
    times = 2 if stage.seconds >= LONG else 1
    for _ in range(times):
        await asyncio.sleep(stage.part(0.2))
        victim = stage.random.choice(stage.world.servers)
        await asyncio.to_thread(victim.kill)
        await asyncio.sleep(stage.part(0.1))
        await asyncio.to_thread(victim.start)
    stage.notes.append(f"{times} killed")


async def terminate_a_process(stage: Stage) -> None:
    await asyncio.sleep(stage.part(0.3))
    number = stage.random.randrange(len(stage.world.servers))
    server = stage.world.servers[number]
    there = [client for client in stage.clients if client.process == number and client.is_joined]
    ends = {client: len(client.closings) for client in there}
    began = time.monotonic()
    status = await asyncio.to_thread(server.stop)
    took = time.monotonic() - began
    if status != 0 or took > LEAVES_WITHIN:
        stage.fail(f"it ended with status {status} after {took:.1f} s")
    await asyncio.sleep(0.1)
    for client in there:
        closings = client.closings[ends[client] :]
        if not closings or closings[0] != (number, 4410):
            stage.fail(f"{client.name} was not told 4410, but {closings}")
    await asyncio.sleep(stage.part(0.1))
    await asyncio.to_thread(server.start)
    stage.notes.append(f"status {status} in {took:.1f} s, {len(there)} told 4410")


async def kill_redis(stage: Stage) -> None:
    """Twice; the second time the load ends before it is back: nothing follows what was lost."""
    redis = stage.world.redis
    await asyncio.sleep(stage.part(0.2))
    await asyncio.to_thread(redis.end, signal.SIGKILL)
    await asyncio.sleep(stage.part(0.2))
    await asyncio.to_thread(redis.start)
    await asyncio.sleep(stage.part(0.3))
    await asyncio.to_thread(redis.end, signal.SIGKILL)
    await asyncio.sleep(stage.part(0.3))
    await stage.end_load()
    await stage.last_words()
    await asyncio.sleep(FORGOTTEN)
    await asyncio.to_thread(redis.start)
    stage.notes.append("2 killed")


async def stop_redis(stage: Stage) -> None:
    seconds = min(10.0, stage.seconds)
    await asyncio.sleep(stage.part(0.1))
    stage.world.redis.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        stage.world.redis.signal(signal.SIGCONT)
    stage.notes.append(f"stopped {seconds:.0f} s")


async def restart_postgres(stage: Stage) -> None:
    """Once in order, once as a crash, after which it recovers from its log."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        await asyncio.sleep(stage.part(0.2))
        await asyncio.to_thread(stage.world.postgres.end, number)
        await asyncio.sleep(stage.part(0.1))
        await asyncio.to_thread(stage.world.postgres.start)
    stage.notes.append("2 restarts")


async def end_backends(stage: Stage) -> None:
    ended = 0
    deadline = time.monotonic() + stage.part(0.9)
    while time.monotonic() < deadline:
        await asyncio.sleep(stage.random.uniform(0.1, stage.part(0.1)))
        ended += await asyncio.to_thread(_end_backends, stage)
    stage.notes.append(f"{ended} ended")


def _end_backends(stage: Stage) -> int:
    """End a random half of the connections that the processes have to the database."""
    with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() ORDER BY pid"
        ).fetchall()
        chosen = [pid for (pid,) in found if stage.random.random() < 0.5]
        connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [chosen])
    return len(chosen)


async def cut_sockets(stage: Stage) -> None:
    cuts = 0
    deadline = time.monotonic() + stage.part(0.9)
    while time.monotonic() < deadline:
        await asyncio.sleep(stage.random.expovariate(0.6 * len(stage.clients)))
        client = stage.random.choice(stage.clients)
        if not client.is_joined:
            continue
        cuts += 1
        match stage.random.randrange(3):
            case 0:
                client.cut()
            case 1:
                client.cut_in_a_frame()
            case _:  # its command may be carried out, or not
                client.act()
                await asyncio.sleep(stage.random.uniform(0, 0.01))
                client.cut()
    stage.notes.append(f"{cuts} cut")


async def disturb_the_layer(stage: Stage) -> None:
    await asyncio.sleep(stage.seconds)
    stage.notes.append("of what the layer brings: 15 % dropped, 15 % doubled, 25 % late")


async def stop_reading(stage: Stage) -> None:
    """One stops reading; others of its room write long messages until it has been closed."""
    (slow,) = stage.extra
    others = [client for client in stage.clients if client.room == slow.room and client != slow]
    returns = sum(len(client.closings) for client in others)
    slow.reads.clear()
    began = time.monotonic()
    closing = f"{CLOSED_SLOW}{slow.person.id}\n"
    while not stage.world.said(closing):
        if time.monotonic() - began > SLOW_WITHIN:
            stage.fail(f"one that does not read was not closed in {SLOW_WITHIN} s")
            break
        for client in others[:5]:
            if len(client.waiting) < 8:
                client.submit(client.plan.post(size=3_900))
        await asyncio.sleep(0.02)
    took = time.monotonic() - began
    slow.reads.set()
    while not slow.closings and time.monotonic() - began < SLOW_WITHIN:
        await asyncio.sleep(0.05)
    code = slow.closings[0][1] if slow.closings else None
    if code != 4408:
        stage.fail(f"one that does not read was closed with {code}, not 4408")
    if (slowest := max(client.slowest for client in others)) > UNDELAYED:
        stage.fail(f"the others were delayed by {slowest:.1f} s")
    if sum(len(client.closings) for client in others) != returns:
        stage.fail("others were closed too")
    stage.notes.append(f"closed with {code} after {took:.1f} s; others ≤ {slowest:.2f} s late")


def one_beside(stage: Stage, people: Sequence[Person]) -> None:
    stage.extra = {stage.add(people[-1], stage.rooms[0])}


async def resend_at_once(stage: Stage) -> None:
    """Two connections of one person, on two processes, send the same things at the same time."""
    pairs = list(zip(*[iter(sorted(stage.extra, key=lambda one: one.name))] * 2, strict=True))
    deadline = time.monotonic() + stage.seconds
    sent = 0
    while time.monotonic() < deadline:
        for pair in pairs:
            if any(client.waiting for client in pair):
                continue
            sent += 1
            await _send_alike(stage, pair)
        await asyncio.sleep(stage.random.uniform(0, 0.05))
    await asyncio.sleep(0.3)
    for one, other in pairs:
        ids = [{key: own.id for key, own in twin.effects.posts.items()} for twin in (one, other)]
        if ids[0] != ids[1] and not (one.waiting or other.waiting):
            stage.problems.append(Problem("doubled", f"{one.name}, {other.name}: {ids}"))
    stage.notes.append(f"{sent} sent by two at once")


async def _send_alike(stage: Stage, pair: tuple[Client, Client]) -> None:
    one, other = pair
    mine = [own for key, own in one.effects.posts.items() if key in other.effects.posts]
    dice = stage.random.random()
    if mine and dice < 0.2:
        frame = one.plan.edit(stage.random.choice(mine))
    elif mine and dice < 0.5:  # what was confirmed long ago is sent once more
        key = stage.random.choice([*one.effects.posts])
        frame = {"client_id": key, "message": "whatever it says now"}
    else:
        frame = one.plan.post()
    for client in stage.random.sample(pair, 2):
        client.submit(dict(frame))
        if stage.random.random() < 0.3:
            await asyncio.sleep(stage.random.uniform(0, 0.005))


def pairs_beside(stage: Stage, people: Sequence[Person]) -> None:
    """Pairs whose names sort beside each other; nobody else has their accounts in the room."""
    for number in range(4):
        homes = stage.random.sample(range(len(stage.world.servers)), 2)
        for home in homes:
            twin = stage.add(people[-1 - number], stage.rooms[number % 2], home=home)
            twin.name = twin.plan.name = f"twin{number}"
            stage.extra.add(twin)


FAULTS = {
    1: Fault("a process killed (-9)", kill_a_process),
    2: Fault("a process told to end (SIGTERM)", terminate_a_process),
    3: Fault("Redis killed", kill_redis),
    4: Fault("Redis stopped", stop_redis),
    5: Fault("PostgreSQL restarted", restart_postgres),
    6: Fault("database connections ended", end_backends),
    7: Fault("sockets cut", cut_sockets),
    8: Fault("layer unreliable", disturb_the_layer, layer="drop=0.15,double=0.15,late=0.25"),
    9: Fault("one stops reading", stop_reading, prepare=one_beside),
    10: Fault("two send the same", resend_at_once, prepare=pairs_beside),
}
