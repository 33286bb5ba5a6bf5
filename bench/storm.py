"""A thousand people enter one room: presence as it is, against each arrival told to everybody.

`python -m bench.storm` prints how long it takes until all see the same count, how many bytes a
client gets, and how long a message takes meanwhile. Both sides are this chat; the second one has
gathering and the bound on the list switched off.
"""

import argparse
import asyncio
import json
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
from bench.compare import prepare, say
from bench.members import Member, Tally, connect
from bench.targets import Target
from bench.workloads import percentile, until
from core import embedded

ONLINE = b'"online":'
ONE_BY_ONE = {"PRESENCE_GATHER_SECONDS": "0", "PRESENCE_LIST_MAX": "1000000"}
# A crowd's count comes once a second; the rest is what the room takes to be told.
PATIENCE = 60.0


class Onlooker(Member):
    """A member that keeps the last count it was told."""

    online = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        at = payload.rfind(ONLINE)
        if at >= 0:
            digits = payload[at + len(ONLINE) : at + len(ONLINE) + 8]
            self.online = int(digits.split(b",")[0].split(b"}")[0])
        super().on_ws_frame(transport, frame)


@dataclass
class Storm:
    """Seconds until all agree, kilobytes a client, and the latency of messages meanwhile in ms."""

    agree: float
    kilobytes: float
    p50: float
    p99: float


async def storm(target: Target, cookies: Sequence[str], members: int, run: int) -> Storm:
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
        agree,
        tally.bytes / members / 1_000,
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
    )


async def _rounds(
    options: argparse.Namespace, env: Mapping[str, str], cookies: Sequence[str]
) -> dict[str, Storm]:
    sides = {"ours": {}, "one by one": ONE_BY_ONE}
    found: dict[str, list[Storm]] = {name: [] for name in sides}
    for number in range(1, options.rounds + 1):
        for name, extra in sides.items():
            with targets.running(targets.daphne(), {**env, **extra}) as target:
                result = await storm(target, cookies, options.members, number)
            say(f"round {number}, {name}: {result}")
            found[name].append(result)
    return {name: _median(each) for name, each in found.items()}


def _median(storms: Sequence[Storm]) -> Storm:
    each = [asdict(one) for one in storms]
    return Storm(**{key: statistics.median(one[key] for one in each) for key in each[0]})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--members", type=int, default=999)
    parser.add_argument("--json", metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = stack.enter_context(embedded.servers(directory))
        cookies = prepare(env, (), options.members + 1)["cookies"]
        found = uvloop.run(_rounds(options, env, cookies))
    ours, other = found["ours"], found["one by one"]
    rows = {
        "seconds until all see the same count": (ours.agree, other.agree),
        "kilobytes a client": (ours.kilobytes, other.kilobytes),
        "median latency of a message meanwhile, ms": (ours.p50, other.p50),
        "99 % of them, ms": (ours.p99, other.p99),
    }
    print(f"| {options.members} people enter one room | ours | one by one | ratio |")
    print("| --- | --: | --: | --: |")
    for name, (mine, theirs) in rows.items():
        print(f"| {name} | {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} |")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(0 if all(mine <= theirs for mine, theirs in rows.values()) else 1)


if __name__ == "__main__":
    main()
