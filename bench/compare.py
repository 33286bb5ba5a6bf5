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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench import targets, workloads
from bench.rows import ROWS, Row
from bench.targets import Target
from bench.workloads import Context
from core import embedded

SIZES = (1_000, 1_000_000)
SIZE_BOUND = 1.2
Figures = dict[str, dict[str, list[float]]]


def main() -> None:
    options = _options()
    rows = [row for row in ROWS if options.only in row.name]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = stack.enter_context(embedded.servers(directory))
        say("Preparing people and rooms …")
        sizes = () if options.only or options.quick else SIZES
        prepared = prepare(env, sizes)
        context = Context(options.seconds, prepared["cookies"], prepared["rooms"])
        figures = uvloop.run(_rounds(rows, options.rounds, env, context))
    results = _results(rows, figures, with_sizes=bool(sizes))
    print(_table(results))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(0 if all(result["holds"] for result in results) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--quick", action="store_true", help="without the room of a million")
    parser.add_argument("--json", metavar="FILE", help="write the table there, too")
    return parser.parse_args()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


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


async def _rounds(
    rows: Sequence[Row], rounds: int, env: dict[str, str], context: Context
) -> Figures:
    figures: Figures = {}
    for number in range(1, rounds + 1):
        for row in rows:
            for target in (targets.baseline(), targets.daphne(), targets.uvicorn()):
                figure = await _figure(row, target, env, context)
                say(f"round {number}, {row.name}, {target.name}: {figure:,.1f} {row.unit}")
                figures.setdefault(row.name, {}).setdefault(target.name, []).append(figure)
        if context.sized_rooms:
            await _sized(figures, env, context)
    return figures


async def _figure(row: Row, target: Target, env: dict[str, str], context: Context) -> float:
    with targets.running(target, env):
        try:
            async with asyncio.timeout(120):
                return await row.workload(target, context)
        except (workloads.Miscounted, ConnectionError, TimeoutError) as error:
            say(f"  failed: {error or type(error).__name__}")
            return math.nan


async def _sized(figures: Figures, env: dict[str, str], context: Context) -> None:
    with targets.running(targets.daphne(), env) as target:
        for slug in context.sized_rooms:
            figure = await workloads.first_page(target, context, slug)
            say(f"first page of {slug}: {figure:.1f} ms")
            figures.setdefault("sizes", {}).setdefault(slug, []).append(figure)


def _results(rows: Sequence[Row], figures: Figures, *, with_sizes: bool) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    for row in rows:
        medians = {name: _median(each) for name, each in figures[row.name].items()}
        ratio = medians["daphne"] / medians["tutorial"]
        is_right = not any(map(math.isnan, figures[row.name]["daphne"]))
        results.append(
            {
                "row": row.name,
                "unit": row.unit,
                "ours": medians["daphne"],
                "uvicorn": medians["uvicorn"],
                "baseline": medians["tutorial"],
                "ratio": ratio,
                "wanted": row.wanted,
                "holds": is_right and row.holds(ratio),
            }
        )
    if with_sizes:
        small, large = (statistics.median(each) for each in figures["sizes"].values())
        results.append(
            {
                "row": "first page of 1,000,000 messages, against 1,000",
                "unit": "ms",
                "ours": large,
                "uvicorn": math.nan,
                "baseline": small,
                "ratio": large / small,
                "wanted": f"≤ {SIZE_BOUND}",
                "holds": large / small <= SIZE_BOUND,
            }
        )
    return results


def _median(figures: Sequence[float]) -> float:
    """Of the rounds that were counted right; a round that was not is said when it happens."""
    right = [figure for figure in figures if not math.isnan(figure)]
    return statistics.median(right) if right else math.nan


def _table(results: Sequence[dict[str, object]]) -> str:
    lines = [
        "| workload | unit | ours | on uvicorn | baseline | ratio | to reach | |",
        "| --- | --- | --: | --: | --: | --: | --: | --- |",
    ]
    for result in results:
        ours, uvicorn, baseline = (_number(result[key]) for key in ("ours", "uvicorn", "baseline"))
        verdict = "holds" if result["holds"] else "does not hold"
        lines.append(
            f"| {result['row']} | {result['unit']} | {ours} | {uvicorn} | {baseline} |"
            f" {result['ratio']:.2f} | {result['wanted']} | {verdict} |"
        )
    return "\n".join(lines)


def _number(value: object) -> str:
    assert isinstance(value, float)
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    main()
