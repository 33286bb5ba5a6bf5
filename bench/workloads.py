"""What is measured. Each workload runs against one target and gives one figure, checked."""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import stored
from bench.members import Member, Tally, connect, connect_all, miscounted
from bench.targets import Target

_runs = itertools.count(1)

WARM = 1.0  # seconds before the measurement
DRAIN = 40.0  # seconds at most for what is in flight afterwards


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Miscounted(Exception):
    """What was delivered is not what was sent."""


@dataclass
class Context:
    """What every workload is given."""

    seconds: float
    cookies: Sequence[str]
    database_url: str
    sized_rooms: Sequence[str] = ()
    scale: float = 1.0  # of how many people there are: less than 1 for a try

    def scaled(self, many: int) -> int:
        return min(many, max(2, round(many * self.scale)))

    async def pause(self, seconds: float) -> None:
        """Fewer people need less time to come to rest."""
        await asyncio.sleep(seconds * max(0.1, self.scale))


@dataclass
class Load:
    """Messages sent as fast as they come back: figures a second, and the latency in ms."""

    delivered: float
    confirmed: float
    p50: float
    p99: float


async def load(
    target: Target,
    context: Context,
    *,
    members: int,
    senders: int,
    in_flight: int,
    rooms: int = 1,
    lines: bool = False,
) -> Load:
    """`members` and `senders` are a room's. Raises Miscounted where somebody is not delivered what
    was sent to their room, each message once, or where it is not in the database."""
    name = f"load{next(_runs)}x"
    tally = Tally()
    members, senders, rooms = map(context.scaled, (members, senders, rooms))
    total = members * rooms
    # Member n is in room n % rooms, so that the first senders x rooms are the rooms' senders.
    urls = [f"{target.ws}/{name}{n % rooms}/" for n in range(total)]
    crowd = await connect_all(
        urls,
        tally,
        senders=senders * rooms,
        in_flight=in_flight,
        waits=target.is_ours,
        cookies=context.cookies[:total] if target.is_ours else (),
        lines=lines and target.is_ours,
    )
    try:
        result = await _measure(target, context, crowd, tally, rooms)
    finally:
        for member in crowd:
            member.leave()
        await context.pause(0.5)
    if target.is_ours and (has := await stored.messages(context.database_url, name)) != tally.sent:
        raise Miscounted(f"{target.name}: {tally.sent} sent and confirmed, {has} stored")
    return result


async def _measure(
    target: Target, context: Context, crowd: Sequence[Member], tally: Tally, rooms: int
) -> Load:
    members = len(crowd) // rooms
    await context.pause(1)  # what presence has to say
    tally.sending = True
    for member in crowd:
        for _ in range(member.in_flight):
            member.post()
    await context.pause(WARM)
    tally.latencies.clear()
    delivered, confirmed, began = tally.delivered, tally.confirmed, time.perf_counter()
    await asyncio.sleep(context.seconds)
    seconds = time.perf_counter() - began
    latencies = sorted(tally.latencies)
    result = Load(
        (tally.delivered - delivered) / seconds,
        (tally.confirmed - confirmed) / seconds,
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
    )
    tally.sending = False
    await until(lambda: tally.delivered >= tally.sent * members)
    if wrong := miscounted(crowd, rooms) or tally.closed or tally.errors:
        raise Miscounted(
            f"{target.name}: {tally.sent} sent to {members} each, {tally.delivered} delivered,"
            f" wrong for {wrong}, {tally.errors} errors, {tally.closed} connections lost"
        )
    return result


async def until(is_so: Callable[[], bool], *, seconds: float = DRAIN) -> None:
    """Wait until it is so, some seconds at most."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline and not is_so():  # noqa: ASYNC110 - it is a count
        await asyncio.sleep(0.005)


def percentile(ordered: Sequence[float], part: float) -> float:
    """In milliseconds."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000


async def memory(target: Target, context: Context, *, members: int = 1_000) -> float:
    """KB a connection, idle; against a process that has served one before."""
    members = context.scaled(members)
    first = await connect_all(
        [f"{target.ws}/idle0/"],
        Tally(),
        waits=target.is_ours,
        cookies=context.cookies[:1] if target.is_ours else (),
    )
    first[0].leave()
    await context.pause(1)
    before = target.memory()
    tally = Tally()
    crowd = await connect_all(
        [f"{target.ws}/idle{n % 50}/" for n in range(members)],
        tally,
        waits=target.is_ours,
        cookies=context.cookies[:members] if target.is_ours else (),
    )
    await context.pause(3)
    used = target.memory() - before
    lost = tally.closed
    for member in crowd:
        member.leave()
    await context.pause(1)
    if lost:
        raise Miscounted(f"{target.name}: {lost} connections were lost")
    return used / members / 1_000


async def reconnect(
    target: Target, context: Context, *, members: int = 1_000, known: int = 10, missed: int = 20
) -> float:
    """Clients a second that come back at once: with what they missed, or (tutorial) connected.

    Raises Miscounted where one is given more or less than the `missed` changes.
    """
    members = context.scaled(members)
    url = f"{target.ws}/return{next(_runs)}/"
    query = ""
    cookies = context.cookies[:members] if target.is_ours else ()
    if target.is_ours:
        await _post(url, cookies[0], count=known)  # first: who enters a vacant room is no member
        crowd = await connect_all([url] * members, Tally(), cookies=cookies)
        for member in crowd:
            member.leave()
        await context.pause(1)
        await _post(url, cookies[0], count=missed)
        query = f"?since={known}"
    tally = Tally()
    began = time.perf_counter()
    crowd = await connect_all(
        [url + query] * members,
        tally,
        waits=target.is_ours,
        cookies=cookies,
        at_once=members,
    )
    rate = members / (time.perf_counter() - began)
    shown = {member.shown for member in crowd}
    lost = tally.closed
    for member in crowd:
        member.leave()
    await context.pause(1)
    if lost or (target.is_ours and shown != {missed}):
        raise Miscounted(
            f"{target.name}: {lost} connections lost; {missed} missed, {sorted(shown)} given"
        )
    return rate


async def _post(url: str, cookie: str, *, count: int) -> None:
    """So many messages, exactly; the room's head is as much higher afterwards."""
    tally = Tally()
    member = await connect(url, Member(0, tally, in_flight=1, waits=True), cookie=cookie)
    for _ in range(count):
        member.post()
        await until(lambda: tally.confirmed == tally.sent)
    member.leave()


async def first_page(target: Target, context: Context, slug: str, *, tries: int = 5) -> float:
    """Median ms until the last 50 messages are there, in a room that nobody else is in."""
    times = []
    for n in range(tries):
        await asyncio.sleep(3.2)  # by then the process has forgotten the room
        member = Member(n, Tally(), in_flight=0, waits=True)
        await connect(f"{target.ws}/{slug}/?since=", member, cookie=context.cookies[0])
        times.append(member.history_at - member.began)
        member.leave()
    return statistics.median(times) * 1000


Workload = Callable[[Target, Context], Awaitable[float]]
Pair = Callable[[Target, Context], Awaitable[tuple[float, float]]]
