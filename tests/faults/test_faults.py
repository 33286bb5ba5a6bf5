"""The short form of `make faults`, and that it finds what is broken."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.faults.breaks import BREAKS
from tests.faults.faults import FAULTS
from tests.faults.table import HEADINGS
from tests.support.databases import ROOT

# Which column of the table must show what is broken.
SHOWN_BY = {"holes": "missing", "idempotency": "doubled", "heads": "missing"}


def run(*options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def rows(output: str) -> list[dict[str, str]]:
    """The table, by column. Columns stand two spaces apart at least."""
    lines = output.splitlines()
    header = next(n for n, line in enumerate(lines) if line.split()[:2] == ["fault", "clients"])
    return [_row(line) for line in lines[header + 1 :] if "holds" in line or "FAILED" in line]


def _row(line: str) -> dict[str, str]:
    cells: Sequence[str] = [cell.strip() for cell in line.split("  ") if cell.strip()]
    return dict(zip(HEADINGS, cells, strict=False))


@pytest.mark.timeout(180) if hasattr(pytest.mark, "timeout") else (lambda test: test)
def test_nothing_is_lost_doubled_or_out_of_order_whatever_fails() -> None:
    status, output = run("--seconds", "1.5", "--clients", "15", "--seed", "7")
    assert status == 0, output
    assert len(rows(output)) - 1 == len(FAULTS), output
