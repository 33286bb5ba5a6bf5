"""The table's rows: which workload, which of its figures, and the ratio to reach."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import beside, workloads
from bench.targets import Target
from bench.workloads import Context, Load, Pair, Workload


@dataclass(frozen=True)
class Row:
    """`at_least`: ours / baseline must not be below `bound`; else not above it. The baseline is the
    tutorial's; of a `pair`, its second figure: of this chat too, without what is measured."""

    name: str
    unit: str
    workload: Workload | None
    bound: float
    at_least: bool = True
    pair: Pair | None = None

    def holds(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def _load(figure: Callable[[Load], float], **shape: int) -> Workload:
    async def run(target: Target, context: Context) -> float:
        return figure(await workloads.load(target, context, **shape))  # type: ignore[arg-type]

    return run


def _delivered(load: Load) -> float:
    return load.delivered


ROWS = [
    Row(
        "200 members, 2 senders, 1 in flight",
        "deliveries/s",
        _load(_delivered, members=200, senders=2, in_flight=1),
        6,
    ),
    Row(
        "200 members, 20 senders, 5 in flight, chat.v1",
        "deliveries/s",
        _load(_delivered, members=200, senders=20, in_flight=5, lines=True),
        100,
    ),
    Row(
        "the same, one object a frame",
        "deliveries/s",
        _load(_delivered, members=200, senders=20, in_flight=5),
        12,
    ),
    Row(
        "1,000 members, 20 senders, 2 in flight, chat.v1",
        "deliveries/s",
        _load(_delivered, members=1_000, senders=20, in_flight=2, lines=True),
        100,
    ),
    Row(
        "50 rooms of 4, 1 sender each, 1 in flight",
        "messages/s",
        _load(lambda load: load.confirmed, members=4, senders=1, in_flight=1, rooms=50),
        6,
    ),
    Row(
        "2 members, 1 in flight: median latency",
        "ms",
        _load(lambda load: load.p50, members=2, senders=1, in_flight=1),
        0.8,
        at_least=False,
    ),
    Row("1,000 idle members: a connection", "KB", workloads.memory, 1.0, at_least=False),
    Row("1,000 clients coming back at once", "clients/s", workloads.reconnect, 1),
    Row(
        "20 hostile sockets that come back at once: latency of others / without",
        "ms",
        None,
        beside.BOUND,
        at_least=False,
        pair=beside.hostile,
    ),
]
