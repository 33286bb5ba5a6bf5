"""What a run found, as text."""

from collections.abc import Sequence
from typing import Any

from tests.faults.stage import Outcome

KINDS = ("lost", "doubled", "order", "missing", "differing", "ghosts", "unanswered", "rules")
HEADINGS = (
    *("fault", "clients", "returns", "commands", "accepted"),
    *KINDS,
    *("slowest", "agree", "result", ""),
)
SHOWN = 5  # problems of a kind


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [HEADINGS, *map(_row, outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n in (0, len(row) - 1) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = outcome.counts
    return (
        outcome.name,
        str(outcome.clients),
        str(outcome.returns),
        str(outcome.commands),
        str(outcome.posts),
        *(str(counts[kind]) for kind in KINDS),
        f"{outcome.slowest:.2f} s",
        "never" if outcome.agree is None else f"{outcome.agree:.1f} s",
        "holds" if outcome.holds else "FAILED",
        ", ".join(outcome.notes),
    )


def record(outcome: Outcome) -> dict[str, Any]:
    """The same for machines."""
    return {
        "fault": outcome.name,
        "clients": outcome.clients,
        "returns": outcome.returns,
        "commands": outcome.commands,
        "accepted": outcome.posts,
        **{kind: outcome.counts[kind] for kind in KINDS},
        "slowest": outcome.slowest,
        "agree": outcome.agree,
        "holds": outcome.holds,
        "notes": outcome.notes,
    }


def problems(outcome: Outcome) -> str:
    """Some problems of each kind, in full."""
    lines = []
    for kind, many in outcome.counts.items():
        found = [problem.what for problem in outcome.problems if problem.kind == kind]
        lines += [f"  {kind}: {what[:600]}" for what in found[:SHOWN]]
        if many > SHOWN:
            lines.append(f"  {kind}: … and {many - SHOWN} more")
    return "\n".join(lines)
