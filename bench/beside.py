"""What people's messages take while somebody floods the server: bench/hostile.py."""

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Sequence

from bench.hostile import KINDS, hostile_sockets
from bench.members import Member, Tally, connect_all
from bench.targets import Target
from bench.workloads import Context, Miscounted, say, until

PEOPLE = 10
A_SECOND = 100  # messages, of all of them
MIXED = "of every kind"
BOUND = 2
# A kind that is over the bound is measured again: a moment in which the machine stood still shows
# in one try, and what a flood does shows in each.
TRIES = 3
_addresses = itertools.cycle(range(1, 255))


async def hostile(target: Target, context: Context) -> tuple[float, float]:
    """Median latency in ms in a room where ten people talk beside 20 hostile sockets, and just
    before without them. Of one kind after the other, and of all kinds at once: the worst."""
    crowd, tally = await _people(target, context)
    found = []
    one_by_one = {kind: [kind] for kind in [*KINDS][: context.scaled(len(KINDS))]}
    for name, kinds in {MIXED: [*KINDS], **one_by_one}.items():
        best = (math.inf, math.nan, math.nan)
        for _ in range(TRIES):
            if best[0] > BOUND:
                without, beside = await _compare(target, context, crowd, tally, kinds)
                say(f"  {name}: {beside:.2f} ms, without {without:.2f}")
                best = min(best, (beside / without, beside, without))
        found.append(best)
    for member in crowd:
        member.leave()
    _, beside, without = max(found)
    return beside, without


async def _compare(
    target: Target, context: Context, crowd: list[Member], tally: Tally, kinds: Sequence[str]
) -> tuple[float, float]:
    """Without and beside them. They come from an address of their own: that others were turned
    away must not hold them up."""
    without = await _talk(crowd, tally, context.seconds / 4)
    address = f"127.0.{next(_addresses)}.1"
    async with hostile_sockets(target.port, context.cookies[-1], address, kinds):
        await context.pause(1)
        return without, await _talk(crowd, tally, context.seconds / 4)


async def _people(target: Target, context: Context) -> tuple[list[Member], Tally]:
    tally = Tally()
    crowd = await connect_all(
        [f"{target.ws}/talk/"] * PEOPLE,
        tally,
        senders=PEOPLE,
        in_flight=1,
        cookies=context.cookies[:PEOPLE],
    )
    await context.pause(1)
    return crowd, tally


async def _talk(crowd: list[Member], tally: Tally, seconds: float) -> float:
    tally.latencies.clear()
    began = time.perf_counter()
    for n in itertools.count():
        due = began + n / A_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if n and due > began + seconds:
            break
        crowd[n % PEOPLE].post()
    await until(lambda: tally.delivered == tally.sent * PEOPLE)
    if tally.delivered != tally.sent * PEOPLE or tally.closed or tally.errors:
        raise Miscounted(
            f"{tally.sent} sent to {PEOPLE} each, {tally.delivered} delivered,"
            f" {tally.errors} errors, {tally.closed} connections lost"
        )
    return statistics.median(tally.latencies) * 1000
