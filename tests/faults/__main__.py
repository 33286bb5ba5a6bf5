"""`python -m tests.faults`: three real server processes under load and every fault we know.

Prints a table; ends with status 1 where a message was lost, doubled, out of order, missing or
different anywhere. `--break` breaks a part of the servers first: then a run must fail.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import django

from tests.faults import people, table
from tests.faults.breaks import BREAKS
from tests.faults.clients import Person
from tests.faults.crowd import Crowd
from tests.faults.crowd_faults import CROWD_FAULTS, PEOPLE, CrowdFault
from tests.faults.faults import FAULTS as LOAD_FAULTS
from tests.faults.faults import Fault
from tests.faults.outage_faults import OUTAGE_FAULTS
from tests.faults.stage import Outcome, Stage
from tests.faults.world import Presence, World, world

EXTRA_PEOPLE = 4  # for clients that a fault adds
FAULTS: dict[int, Fault | CrowdFault] = {**LOAD_FAULTS, **CROWD_FAULTS, **OUTAGE_FAULTS}
# The fault that shows what is broken.
REVEALED_BY = {"holes": 8, "idempotency": 10, "heads": 3, "catchup": 7, "repairs": 8} | {
    "reaping": 11,
    "restoring": 12,
    "clocks": 14,
}


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    presence = Presence()
    if options.lease:
        presence = Presence(options.lease, options.lease // 3, 1.0)
    with world(presence) as made:
        # What this process itself needs of Django: to make accounts with sessions.
        os.environ.update(made.env)
        django.setup()
        crowd = people.make(max(options.clients + EXTRA_PEOPLE, PEOPLE))
        outcomes = asyncio.run(_run(made, crowd, options))
    _say("\n" + table.table(outcomes))
    if options.json:
        options.json.write_text(json.dumps([table.record(one) for one in outcomes], indent=1))
    failed = [outcome.name for outcome in outcomes if not outcome.holds]
    _say(f"\nseed {options.seed}, {time.monotonic() - began:.0f} s: ", end="")
    _say(f"FAILED: {', '.join(failed)}" if failed else "everything holds")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="of load for each fault")
    parser.add_argument("--clients", type=int, default=36)
    parser.add_argument("--lease", type=int, help="seconds of presence's, to have it heal sooner")
    parser.add_argument("--only", type=_numbers, default=[], help="these faults, as 1,5,8")
    parser.add_argument("--patience", type=float, default=25, help="seconds for all to agree")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--list", action="store_true", help="show the faults")
    parser.add_argument("--break", dest="broken", default="", help="of: " + ", ".join(BREAKS))
    parser.add_argument("--logs", action="store_true", help="show the servers' logs of a failure")
    options = parser.parse_args()
    options.broken = [name for name in options.broken.split(",") if name]
    if unknown := {*options.broken} - {*BREAKS} or {*options.only} - {*FAULTS}:
        parser.error(f"there is no {unknown}")
    if options.list:
        _say("\n".join(f"{number:>2}  {fault.title}" for number, fault in FAULTS.items()))
        raise SystemExit
    return options


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


async def _run(made: World, crowd: Sequence[Person], options: argparse.Namespace) -> list[Outcome]:
    if options.broken:
        plan = [(REVEALED_BY[name], name) for name in options.broken]
        plan = [(number, name) for one, name in plan for number in options.only or [one]]
    else:
        plan = [(number, "") for number in options.only or FAULTS]
        plan.sort(key=lambda one: _env(FAULTS[one[0]]))  # the processes restart for another
    outcomes = []
    for number, broken in plan:
        fault = FAULTS[number]
        layer, clocks = _env(fault)
        if layer:
            layer = f"{layer},seed={options.seed}"
        env = {"FAULTS_BREAK": broken, "FAULTS_LAYER": layer, "FAULTS_CLOCKS": str(clocks)}
        await made.run(env)
        suffer = _suffer_together if isinstance(fault, CrowdFault) else _suffer
        outcome = await suffer(made, number, fault, crowd, options)  # type: ignore[arg-type]
        if broken:
            outcome.name += f", {broken} broken"
        outcomes.append(outcome)
        agree = "never" if outcome.agree is None else f"after {outcome.agree:.1f} s"
        _say(
            f"{outcome.name}: {outcome.commands} commands, all agree {agree}, "
            f"{'holds' if outcome.holds else 'FAILED'}"
        )
        if not outcome.holds:
            _say(table.problems(outcome))
            if options.logs:
                for server in made.servers:
                    _say(f"--- {server.log}\n{server.log.read_text(errors='replace')[-20_000:]}")
    return sorted(outcomes, key=lambda outcome: outcome.name) if not options.broken else outcomes


def _env(fault: Fault | CrowdFault) -> tuple[str, int]:
    """What the processes need for it: the layer's faults, and how far apart their clocks are."""
    return ("", fault.clocks) if isinstance(fault, CrowdFault) else (fault.layer, 0)


async def _suffer_together(
    made: World,
    number: int,
    fault: CrowdFault,
    people: Sequence[Person],
    options: argparse.Namespace,
) -> Outcome:
    outcome = Outcome(f"{number:>2} {fault.title}")
    name = f"crowd-{number}-{time.monotonic_ns()}"
    seed = f"{options.seed}/{number}"
    crowd = Crowd(made, name, seed, seconds=options.seconds, patience=options.patience)
    try:
        await fault.run(crowd, people)
        crowd.examine(outcome)
    finally:
        await crowd.leave()
    return outcome


async def _suffer(
    made: World, number: int, fault: Fault, crowd: Sequence[Person], options: argparse.Namespace
) -> Outcome:
    outcome = Outcome(f"{number:>2} {fault.title}")
    name = f"fault-{number}-{time.monotonic_ns()}"
    stage = Stage(made, name, f"{options.seed}/{number}", seconds=options.seconds)
    try:
        stage.people(crowd[: options.clients])
        if fault.prepare is not None:
            fault.prepare(stage, crowd)
        await stage.entered()
        stage.begin_load()
        await fault.run(stage)
        await stage.end_load()
        outcome.agree = await stage.agreed(options.patience)
        await stage.quiet()
        await stage.examine(outcome)
    finally:
        await stage.close()
    return outcome


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
