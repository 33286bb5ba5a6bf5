"""What is done to presence while people come and go. Each leaves everything mended."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from redis import Redis

from tests.faults.clients import Person
from tests.faults.crowd import REACTION, Crowd, Tab

PEOPLE = 120  # that the largest of them needs
MOVES = 150  # comings and goings a second
CLOCKS = 300  # seconds between the clocks of two processes


class CrowdFault(NamedTuple):
    title: str
    run: Callable[[Crowd, Sequence[Person]], Awaitable[None]]
    clocks: int = 0  # seconds that each process's clock is ahead of the one before


async def kill_a_full_process(crowd: Crowd, people: Sequence[Person]) -> None:
    """A hundred are on it: half come back elsewhere, half do not."""
    victims = await crowd.enter(people[:100], [0])
    await crowd.enter(people[100:PEOPLE], [1, 2])
    mark = crowd.mark()
    gone = crowd.random.sample(victims, 50)
    for tab in gone:
        tab.returns = False
        crowd.tabs.remove(tab)
    server = crowd.world.servers[0]
    await asyncio.to_thread(server.kill)
    await crowd.heals(within=crowd.lease + REACTION)
    told = crowd.since(mark)
    expected = Counter(("left", tab.person.id) for tab in gone)
    for (kind, user), many in (told - expected).items():
        crowd.complain("doubled", f"{user} {kind} was announced {many} times too often")
    for kind, user in expected - told:
        crowd.complain("rules", f"{user} {kind} was never announced")
    crowd.notes.append("of 100 people 50 came back, 50 left once each")
    await asyncio.to_thread(server.start)


async def empty_redis(crowd: Crowd, people: Sequence[Person]) -> None:
    """Emptied, and killed and started empty when some are restored."""
    await crowd.enter(people[:60], [0, 1, 2])
    mark = crowd.mark()
    await asyncio.to_thread(_flush, crowd)
    await asyncio.sleep(crowd.renew / 3)
    await asyncio.to_thread(_restart, crowd)
    await crowd.heals(within=crowd.renew + REACTION)
    crowd.check_stayed(mark, crowd.present)
    crowd.notes.append("60 people restored")


def _flush(crowd: Crowd) -> None:
    with Redis.from_url(crowd.world.redis_url) as redis:
        redis.flushall()


def _restart(crowd: Crowd) -> None:
    crowd.world.redis.end(signal.SIGKILL)
    crowd.world.redis.start()


async def stop_redis(crowd: Crowd, people: Sequence[Person]) -> None:
    """Meanwhile some come and some go."""
    seconds = min(10.0, crowd.seconds)
    await crowd.enter(people[:40], [0, 1, 2])
    crowd.world.redis.signal(signal.SIGSTOP)
    try:
        ends = time.monotonic() + seconds
        for person in people[40:50]:
            crowd.open(person, crowd.random.randrange(3))
            await crowd.close(crowd.random.choice(crowd.tabs[:30]))
            await asyncio.sleep(seconds / 20)
        await asyncio.sleep(max(0.0, ends - time.monotonic()))
    finally:
        crowd.world.redis.signal(signal.SIGCONT)
    await crowd.heals(within=crowd.renew + crowd.grace + REACTION)
    crowd.notes.append(f"stopped {seconds:.0f} s, 10 came and 10 went meanwhile")


async def come_and_go(crowd: Crowd, people: Sequence[Person]) -> None:
    """Tabs open, close, are cut and are loaded again, on any process at any time."""
    await crowd.enter(people[:3], [0, 1, 2])  # who watch all the time
    watchers, mark = list(crowd.tabs), crowd.mark()
    moves = int(MOVES * crowd.seconds / 3)
    under_way: list[asyncio.Task[None]] = []
    for _ in range(moves):
        await asyncio.sleep(crowd.random.expovariate(MOVES))
        tabs = [tab for tab in crowd.tabs if tab not in watchers]
        dice = crowd.random.random()
        if not tabs or (dice < 0.5 and len(tabs) < 40):
            crowd.open(crowd.random.choice(people[3:60]), crowd.random.randrange(3))
        elif dice < 0.65:
            work = _reload(crowd, crowd.random.choice(tabs))
            under_way.append(asyncio.create_task(work))
        elif dice < 0.8:
            crowd.cut(crowd.random.choice(tabs))
        else:
            work = crowd.close(crowd.random.choice(tabs))
            under_way.append(asyncio.create_task(work))
    await asyncio.gather(*under_way)
    await crowd.heals(within=crowd.grace + REACTION)
    crowd.check_stayed(mark, {tab.person.id for tab in watchers})
    crowd.notes.append(f"{moves} opened, closed, cut or reloaded")


async def _reload(crowd: Crowd, tab: Tab) -> None:
    await crowd.close(tab)
    await asyncio.sleep(crowd.random.uniform(0, 0.3))
    crowd.open(tab.person, crowd.random.randrange(3))


async def deploy(crowd: Crowd, people: Sequence[Person]) -> None:
    """All processes are replaced, one after the other; everybody comes back when told to."""
    await crowd.enter(people[:60], [0, 1, 2])
    mark = crowd.mark()
    for server in crowd.world.servers:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
    await crowd.heals(within=crowd.grace + 5 + REACTION)
    for kind, user in crowd.since(mark):
        crowd.complain("missing", f"{user} stayed, and was announced as {kind}")
    crowd.notes.append("3 processes replaced, 60 people stayed")


CROWD_FAULTS = {
    11: CrowdFault("a process with 100 people killed", kill_a_full_process),
    12: CrowdFault("Redis emptied", empty_redis),
    13: CrowdFault("Redis stopped, people move", stop_redis),
    14: CrowdFault("clocks 5 minutes apart", come_and_go, clocks=CLOCKS),
    15: CrowdFault("500 comings and goings", come_and_go),
    16: CrowdFault("all processes replaced", deploy),
}
