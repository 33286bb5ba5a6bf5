"""Sizing a deployment: members in rooms, messages at a rate, latencies as they come.

    python -m bench --url ws://127.0.0.1:8000/ws/chat --rooms 10 --members 20 --rate 50 --seconds 30

Members come as guests, or with the session cookies in a file (one a line). Point it at a server of
your own: it sends what real people would, as often as you say.
"""

import argparse
import asyncio
import itertools
import random
import sys
import time
from pathlib import Path

try:
    import uvloop
    from tqdm import tqdm
except ModuleNotFoundError as error:
    sys.exit(f"bench: {error.name} is missing; `make bench ARGS=--help` installs what this needs")

from bench.members import Member, Tally, connect_all, miscounted
from bench.workloads import until


def main() -> None:
    options = _options()
    try:
        failed = uvloop.run(_run(options))
    except (OSError, ValueError, ConnectionError, TimeoutError, ExceptionGroup) as error:
        sys.exit(f"bench: {options.url} could not be used: {error or type(error).__name__}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if failed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", required=True, type=_address, help="where the rooms' sockets are")
    parser.add_argument("--rooms", type=_positive, default=1)
    parser.add_argument("--members", type=_positive, default=10, help="in each room")
    parser.add_argument("--rate", type=float, default=5.0, help="messages a second, in all")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--room", default="bench", metavar="NAME", help="what rooms are called")
    parser.add_argument("--cookies", type=Path, metavar="FILE", help="Cookie headers, one a line")
    parser.add_argument("--plain", action="store_true", help="without the subprotocol chat.v1")
    return parser.parse_args()


def _address(text: str) -> str:
    if not text.startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError("is written as ws://HOST:PORT/ws/chat, or wss://… for TLS")
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


async def _run(options: argparse.Namespace) -> bool:
    tally = Tally()
    total = options.rooms * options.members
    base = options.url.rstrip("/")
    urls = [f"{base}/{options.room}-{n % options.rooms}/" for n in range(total)]
    began = time.perf_counter()
    crowd = await connect_all(
        urls, tally, senders=total, in_flight=1, cookies=_cookies(options, total),
        lines=not options.plain,
    )  # fmt: skip
    print(f"{total} members in {options.rooms} rooms, there in {_since(began):.1f} s")
    await asyncio.sleep(1)
    await _send(options, crowd, tally)
    missing = tally.sent * options.members - tally.delivered
    _report(options, tally, missing)
    if wrong := miscounted(crowd, options.rooms):
        print(f"            {wrong} members were delivered more or less than was sent")
    return bool(missing or wrong or tally.errors or tally.closed)


async def _send(options: argparse.Namespace, crowd: list[Member], tally: Tally) -> None:
    """Messages at the rate, whatever comes back: waiting for answers would hide slowness."""
    began = time.perf_counter()
    members = itertools.cycle(random.sample(crowd, len(crowd)))
    with tqdm(total=int(options.seconds), unit="s", file=sys.stderr, disable=None) as progress:
        while (passed := _since(began)) < options.seconds:
            while tally.sent < passed * options.rate:
                next(members).post()
            if int(passed) > progress.n:
                progress.update(int(passed) - progress.n)
                progress.set_postfix_str(_line(tally, passed))
            await asyncio.sleep(0.005)
    await until(lambda: tally.delivered >= tally.sent * options.members)


def _report(options: argparse.Namespace, tally: Tally, missing: int) -> None:
    print(f"sent        {tally.sent:,} messages, {tally.confirmed:,} confirmed")
    print(f"delivered   {tally.delivered:,} ({tally.delivered / options.seconds:,.0f} a second)")
    latencies = sorted(tally.latencies)
    if latencies:
        parts = (0.5, 0.9, 0.99, 1.0)
        each = [latencies[min(len(latencies) - 1, int(len(latencies) * p))] * 1000 for p in parts]
        named = zip(("median", "90 %", "99 %", "worst"), each, strict=True)
        print("latency     " + ", ".join(f"{name} {value:.1f} ms" for name, value in named))
    print(f"errors      {tally.errors} refused, {tally.closed} connections lost, {missing} missing")
    if tally.errors:
        print(
            "            (the server's limits on messages are set aside as bench/README.md says?)"
        )


def _line(tally: Tally, seconds: float) -> str:
    recent = sorted(tally.latencies[-200:])
    median = f"{recent[len(recent) // 2] * 1000:.1f} ms" if recent else "–"
    return f"{tally.sent / seconds:.0f} sent/s, median {median}, {tally.errors} errors"


def _cookies(options: argparse.Namespace, total: int) -> list[str]:
    if options.cookies is None:
        return []
    lines = [line.strip() for line in options.cookies.read_text().splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{options.cookies} has no cookies")
    return list(itertools.islice(itertools.cycle(lines), total))


def _since(began: float) -> float:
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
