"""The short form of `make faults`, and that it finds what is broken."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.__main__ import FAULTS
from tests.faults.breaks import BREAKS
from tests.support.databases import ROOT

pytestmark = pytest.mark.long  # some minutes: every fault, one after the other
SHORT = ("--seconds", "1.2", "--clients", "12", "--patience", "20", "--lease", "12")
# Where the table must show what is broken.
SHOWN_AS = {
    # Where the hub finds out in time it mends it, with resets that nobody should need.
    "holes": ["missing", "rules"],
    "idempotency": ["doubled"],
    "heads": ["missing"],
    "catchup": ["rules"],
    "repairs": ["rules"],
    "reaping": ["ghosts"],
    "restoring": ["missing"],
    "clocks": ["ghosts", "missing"],  # as they differ
}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run_faults(*options: str) -> tuple[int, list[dict[str, Any]], str]:
        file = tmp_path / "faults.json"
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults", "--json", str(file), *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert file.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(file.read_text()), done.stdout

    return run_faults


def test_nothing_is_lost_doubled_or_out_of_order_whatever_fails(run: Any) -> None:
    status, rows, output = run(*SHORT)
    assert status == 0, output
    assert [row["holds"] for row in rows] == [True] * len(FAULTS), output
    assert all(row["accepted"] > 0 for row in rows), output


def test_it_finds_each_part_that_is_broken(run: Any) -> None:
    status, rows, output = run(*SHORT, "--patience", "3", "--break", ",".join(BREAKS))
    assert status == 1, output
    for name, row in zip(BREAKS, rows, strict=True):
        assert not row["holds"], output
        assert any(row[kind] for kind in SHOWN_AS[name]), output
