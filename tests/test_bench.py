"""The short form of `make bench`: that it measures, and counts right. No test of speed."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import storm
from tests.conftest import StartServer
from tests.support.databases import ROOT
from tests.support.sockets import UNLIMITED

SHORT = ("--rounds", "1", "--seconds", "0.5", "--quick")


def run(module: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_ours_and_the_tutorial_are_measured_and_no_delivery_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("bench.compare", *SHORT, "--only", "50 rooms of 4", "--json", str(file))
    assert file.exists(), done.stderr
    (measured,) = json.loads(file.read_text())
    for side in ("ours", "uvicorn", "baseline", "ratio"):
        assert measured[side] > 0, done.stderr  # not so where one was miscounted: it is no number
    assert measured["row"] in done.stdout
    assert done.returncode == (0 if measured["holds"] else 1)


def test_a_storm_ends_with_everybody_seeing_the_same_count(tmp_path: Path) -> None:
    file = tmp_path / "storm.json"
    short = ("--rounds", "1", "--members", "20", "--within", "1")
    done = run("bench.storm", *short, "--json", str(file))
    assert file.exists(), done.stderr
    sides: dict[str, Any] = json.loads(file.read_text())
    for side in ("ours", "one by one", "half", "all"):
        assert not math.isnan(sides[side]["agree"]), done.stderr
        assert sides[side]["kilobytes"] > 0
        assert 0 < sides[side]["came"] <= sides[side]["agree"]


def test_a_storm_after_which_not_all_saw_the_same_does_not_hold(capsys: Any) -> None:
    good = storm.Storm(came=1, agree=2, kilobytes=3, p50=4, p99=5)
    never = storm._median([good, replace(good, agree=math.nan), good])
    bounds = {"kilobytes": 1.0, "p99": 1.0}
    assert storm._show("", ("a", "b"), {"a": good, "b": never}, bounds)
    assert not storm._show("", ("a", "b"), {"a": never, "b": good}, bounds)
    slow = {"a": replace(good, p99=6), "b": good}
    assert not storm._show("", ("a", "b"), slow, bounds)
    assert "does not hold" in capsys.readouterr().out


def test_a_deployment_is_sized(start_server: StartServer) -> None:
    server = start_server(env=UNLIMITED)
    url = f"{server.ws_url}/ws/chat"
    shape = ("--rooms", "2", "--members", "3", "--rate", "20", "--seconds", "1")
    done = run("bench", "--url", url, *shape)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 missing" in done.stdout
    assert "median" in done.stdout
    wrong = run("bench", "--url", server.url)
    assert wrong.returncode == 2
    assert "ws://" in wrong.stderr.splitlines()[-1]
