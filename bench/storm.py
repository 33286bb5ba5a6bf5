"""A thousand people enter one room: presence as it is, against each arrival told to everybody.

`python -m bench.storm` prints how long it takes until all see the same count, how many bytes a
client gets, and how long a message takes meanwhile. Both sides are this chat (see
one_by_one.py). Then twice as many people enter within the same
ten seconds: what a client gets must hardly grow, or all together would grow with the square.
"""

import argparse
import asyncio
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from picows import WSFrame, WSTransport

from bench import targets
from bench.compare import prepare, write_json
from bench.members import Member, Tally, connect
from bench.targets import Target
from bench.workloads import percentile, say, until
from core.local import embedded

ONLINE = b'"online":'
PRESENCE = b'{"type":"presence.'
GROWTH = 1.3  # of what a client gets, where twice as many people come
SLOWER = 3.0  # a message may be then: all that is done for each of them is done twice as often
LATE = 1.2  # of the time in which they shall come; past it, that is said
# A crowd's count comes once a second; the rest is what the room takes to be told.
PATIENCE = 60.0


class Onlooker(Member):
    """A member that keeps the last count it was told, and counts what presence takes."""

    online = 0
    told = 0  # bytes

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        at = payload.rfind(ONLINE)
        if at >= 0:
            digits = payload[at + len(ONLINE) : at + len(ONLINE) + 8]
            self.online = int(digits.split(b",")[0].split(b"}")[0])
        self.told += sum(len(one) for one in payload.split(b"\n") if one.startswith(PRESENCE))
        super().on_ws_frame(transport, frame)


@dataclass
class Storm:
    """Seconds until all are in, and until all agree (nan: they never did), kilobytes a client, and
    the latency of messages meanwhile in ms."""

    came: float
    agree: float
    kilobytes: float
    p50: float
    p99: float


async def storm(
    target: Target, cookies: Sequence[str], members: int, run: int, *, within: float = 0
) -> Storm:
    """`within` so many seconds they come, evenly; 0: as fast as they are let in."""
    url = f"{target.ws}/storm{run}/"
    talk = Tally()
    sender = Member(0, talk, in_flight=1, waits=True)
    await connect(url, sender, cookie=cookies[-1], lines=True)
    talk.sending = True
    sender.post()
    tally = Tally()
    crowd = [Onlooker(n + 1, tally, in_flight=0, waits=True) for n in range(members)]
    began = time.perf_counter()
    for start in range(0, members, 100):
        await asyncio.gather(
            *(
                connect(url, member, cookie=cookies[start + n], lines=True)
                for n, member in enumerate(crowd[start : start + 100])
            )
        )
        came = time.perf_counter() - began
        due = began + within * (start + 100) / members
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    everybody = members + 1
    await until(lambda: all(one.online == everybody for one in crowd), seconds=PATIENCE)
    agree = time.perf_counter() - began
    if any(one.online != everybody for one in crowd):
        agree = float("nan")
    talk.sending = False
    latencies = sorted(talk.latencies)
    for member in [sender, *crowd]:
        member.leave()
    await asyncio.sleep(1)
    return Storm(
        came,
        agree,
        sum(one.told for one in crowd) / members / 1_000,
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
    )


async def _rounds(
    options: argparse.Namespace, env: Mapping[str, str], cookies: Sequence[str]
) -> dict[str, Storm]:
    sides: dict[str, tuple[Target, int, float]] = {
        "ours": (targets.daphne(), options.members, 0),
        "one by one": (targets.one_by_one(), options.members, 0),
        "half": (targets.daphne(), options.members, options.within),
        "all": (targets.daphne(), 2 * options.members, options.within),
    }
    found: dict[str, list[Storm]] = {name: [] for name in sides}
    for number in range(1, options.rounds + 1):
        for name, (side, members, within) in sides.items():
            with targets.running(side, env) as target:
                result = await storm(target, cookies, members, number, within=within)
            say(f"round {number}, {name}: {result}")
            found[name].append(result)
    return {name: median_of(each) for name, each in found.items()}


def median_of(storms: Sequence[Storm]) -> Storm:
    each = [asdict(one) for one in storms]
    return Storm(**{key: _middle([one[key] for one in each]) for key in each[0]})


def _middle(values: Sequence[float]) -> float:
    """The median; nan where one is: a round that failed is not made up for by others."""
    return math.nan if any(map(math.isnan, values)) else statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--members", type=int, default=999)
    parser.add_argument("--within", type=float, default=10.0, help="seconds, of the second table")
    parser.add_argument("--json", metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = stack.enter_context(embedded.servers(directory))
        cookies = prepare(env, (), 2 * options.members + 1)["cookies"]
        found = uvloop.run(_rounds(options, env, cookies))
    # A crowd's count comes once a second, so that the last of it may be so much later.
    title = f"{options.members} people enter one room"
    bounds: dict[str, float] = {"kilobytes": 1, "p50": 1, "p99": 1}
    holds = show(title, ("ours", "one by one"), found, bounds)
    title = f"{2 * options.members} people, and half as many, within {options.within:g} s"
    growth = show(title, ("all", "half"), found, {"kilobytes": GROWTH, "p99": SLOWER})
    came = found["all"].came
    if came > LATE * options.within:
        print(f"\nThis machine did not let them in within {options.within:g} s: {came:.1f} s.")
    if options.json:
        figures = {name: asdict(each) for name, each in found.items()}
        write_json(options.json, figures)
    sys.exit(0 if holds and growth else 1)


ROWS = {
    "came": "seconds until all are in",
    "agree": "seconds until all see the same count",
    "kilobytes": "kilobytes of presence a client",
    "p50": "median latency of a message meanwhile, ms",
    "p99": "99 % of them, ms",
}


def show(
    title: str,
    names: tuple[str, str],
    found: Mapping[str, Storm],
    bounds: Mapping[str, float],
) -> bool:
    """Print two sides beside each other. Whether the first is at most so many times the second, in
    each row that has a bound, and whether all saw the same in the end, on the first side."""
    print(f"| {title} | {names[0]} | {names[1]} | ratio | to reach | |")
    print("| --- | --: | --: | --: | --: | --- |")
    holds = True
    for key, text in ROWS.items():
        mine, other = (getattr(found[name], key) for name in names)
        wanted = f"≤ {bounds[key]:g}" if key in bounds else ""
        if key == "agree":
            wanted, row_holds = "all agree", not math.isnan(mine)
        else:
            row_holds = key not in bounds or mine <= bounds[key] * other
        verdict = ("holds" if row_holds else "does not hold") if wanted else ""
        print(f"| {text} | {mine:.1f} | {other:.1f} | {mine / other:.2f} | {wanted} | {verdict} |")
        holds = holds and row_holds
    return holds


if __name__ == "__main__":
    main()
