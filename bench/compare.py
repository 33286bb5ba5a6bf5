"""`make bench`: this chat against the tutorial's, on this machine, in turns.

Each figure is the median of the rounds; a ratio is ours / theirs. Everything ours stores is
committed to a PostgreSQL with fsync on. Exits with 1 where a row does not hold: where its ratio is
not reached, or ours lost or miscounted anything in any round.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from bench import stored, targets, workloads
from bench.rows import ROWS, Row
from bench.targets import Target
from bench.workloads import Context, say
from core.local import embedded

# The generator is to be faster than whatever it measures.
ALONE = "generator alone, against a bare server"
SIZES = (1_000, 1_000_000)
SIZE_BOUND = 1.2
SIDES = {"daphne": "ours", "uvicorn": "uvicorn", "tutorial": "baseline", "without": "baseline"}
Figures = dict[str, dict[str, list[float]]]
Measured = TypeVar("Measured")


def main() -> None:
    options = _options()
    wanted = options.only or [""]
    rows = [row for row in ROWS if any(part in row.name for part in wanted)]
    with_alone = any(part in ALONE for part in wanted)
    if not rows and not with_alone:
        sys.exit(f"bench: no row has {' or '.join(wanted)} in its name")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = stack.enter_context(embedded.servers(directory))
        say("Preparing people and rooms …")
        sizes = () if options.only or options.quick else SIZES
        prepared = prepare(env, sizes)
        context = Context(
            options.seconds,
            prepared["cookies"],
            env["DATABASE_URL"],
            prepared["rooms"],
            options.scale,
        )
        is_durable = uvloop.run(stored.is_durable(env["DATABASE_URL"]))
        results = [uvloop.run(_alone(env, context))] if with_alone else []
        figures = uvloop.run(_rounds(rows, options.rounds, env, context))
    results += results_of(rows, figures, with_sizes=bool(sizes), is_durable=is_durable)
    print(_table(results))
    if not is_durable:
        print("\nPostgreSQL does not write each commit to the disk: no row holds.")
    if options.json:
        write_json(options.json, results)
    sys.exit(0 if all(result["holds"] for result in results) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="rows whose name contains this, or the next"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of how many people: 0.1 for a try"
    )
    parser.add_argument("--quick", action="store_true", help="without the room of a million")
    parser.add_argument("--json", metavar="FILE", help="write the table there, too")
    return parser.parse_args()


def write_json(file: str, value: object) -> None:
    """A figure that there is none of is null: JSON has no NaN."""
    Path(file).write_text(json.dumps(_without_nan(value), indent=1) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def prepare(
    env: Mapping[str, str], sizes: Sequence[int], people: int = 1_000
) -> dict[str, list[str]]:
    """Fill the database in a process of its own (see bench/prepare.py)."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.prepare", str(people), *map(str, sizes)],
        cwd=targets.ROOT,
        env={**os.environ, **targets.OURS, **env, "DJANGO_SETTINGS_MODULE": "core.settings"},
        stdout=subprocess.PIPE,
        check=True,
    )
    prepared: dict[str, list[str]] = json.loads(done.stdout)
    return prepared


async def _alone(env: dict[str, str], context: Context) -> dict[str, Any]:
    async def workload(target: Target, context: Context) -> float:
        load = await workloads.load(target, context, members=200, senders=20, in_flight=5)
        return load.delivered

    unit = "deliveries/s"
    figure = await _figure(workload, targets.bare(), env, context, math.nan)
    say(f"{ALONE}: {figure:,.0f} {unit}")
    return _result(ALONE, unit, holds=not math.isnan(figure), ours=figure)


def _result(
    name: str,
    unit: str,
    *,
    holds: bool,
    ours: float,
    uvicorn: float = math.nan,
    baseline: float = math.nan,
    wanted: str = "",
    miscounted: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """A line of the table. `miscounted` has, by side, the rounds that do not count."""
    return {
        "row": name,
        "unit": unit,
        "ours": ours,
        "uvicorn": uvicorn,
        "baseline": baseline,
        "ratio": ours / baseline if baseline else math.nan,
        "wanted": wanted,
        "miscounted": dict(miscounted or {}),
        "holds": holds,
    }


async def _rounds(
    rows: Sequence[Row], rounds: int, env: dict[str, str], context: Context
) -> Figures:
    figures: Figures = {}
    for number in range(1, rounds + 1):
        for row in rows:
            async for name, figure in _row(row, env, context):
                say(f"round {number}, {row.name}, {name}: {figure:,.1f} {row.unit}")
                figures.setdefault(row.name, {}).setdefault(name, []).append(figure)
        if context.sized_rooms:
            await _sized(figures, env, context)
    return figures


async def _row(row: Row, env: dict[str, str], context: Context) -> AsyncIterator[tuple[str, float]]:
    """By target."""
    if row.pair is not None:
        nothing = (math.nan, math.nan)
        ours, without = await _figure(row.pair, targets.within_limits(), env, context, nothing)
        yield "daphne", ours
        yield "without", without
    if row.workload is not None:
        for target in (targets.baseline(), targets.daphne(), targets.uvicorn()):
            yield target.name, await _figure(row.workload, target, env, context, math.nan)


async def _figure(
    workload: Callable[[Target, Context], Awaitable[Measured]],
    target: Target,
    env: dict[str, str],
    context: Context,
    nothing: Measured,
) -> Measured:
    with targets.running(target, env):
        try:
            async with asyncio.timeout(180):
                return await workload(target, context)
        except (workloads.Miscounted, ConnectionError, TimeoutError) as error:
            say(f"  failed: {error or type(error).__name__}")
            return nothing


async def _sized(figures: Figures, env: dict[str, str], context: Context) -> None:
    with targets.running(targets.daphne(), env) as target:
        for slug in context.sized_rooms:
            figure = await workloads.first_page(target, context, slug)
            say(f"first page of {slug}: {figure:.1f} ms")
            figures.setdefault("sizes", {}).setdefault(slug, []).append(figure)


def results_of(
    rows: Sequence[Row], figures: Figures, *, with_sizes: bool, is_durable: bool
) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for row in rows:
        sides = {SIDES[name]: each for name, each in figures[row.name].items()}
        medians = {side: _median(each) for side, each in sides.items()}
        wrong = {side: sum(map(math.isnan, each)) for side, each in sides.items()}
        is_right = is_durable and not wrong["ours"]
        result = _result(
            row.name, row.unit, holds=False, wanted=row.wanted, miscounted=wrong, **medians
        )
        result["holds"] = is_right and row.holds(result["ratio"])
        results.append(result)
    if with_sizes:
        small, large = (statistics.median(each) for each in figures["sizes"].values())
        name = "first page of 1,000,000 messages, against 1,000"
        holds = large / small <= SIZE_BOUND
        wanted = f"≤ {SIZE_BOUND}"
        results.append(_result(name, "ms", holds=holds, ours=large, baseline=small, wanted=wanted))
    return results


def _median(figures: Sequence[float]) -> float:
    """Of the rounds that were counted right; a round that was not is said when it happens."""
    right = [figure for figure in figures if not math.isnan(figure)]
    return statistics.median(right) if right else math.nan


def _table(results: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| workload | unit | ours | on uvicorn | baseline | ratio | to reach | |",
        "| --- | --- | --: | --: | --: | --: | --: | --- |",
    ]
    for result in results:
        ours, uvicorn, baseline = (_cell(result, side) for side in ("ours", "uvicorn", "baseline"))
        verdict = "holds" if result["holds"] else "does not hold"
        lines.append(
            f"| {result['row']} | {result['unit']} | {ours} | {uvicorn} | {baseline} |"
            f" {_number(result['ratio'])} | {result['wanted']} | {verdict} |"
        )
    return "\n".join(lines)


def _cell(result: Mapping[str, Any], side: str) -> str:
    wrong = result["miscounted"].get(side)
    return _number(result[side]) + (f" ({wrong} miscounted)" if wrong else "")


def _number(value: object) -> str:
    assert isinstance(value, float)
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    main()
