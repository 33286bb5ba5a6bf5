"""The short form of `make bench`: that it measures, and counts right. No test of speed."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from bench import compare, rows, stored, storm
from bench.members import miscounted
from tests.conftest import StartServer
from tests.support.databases import ROOT
from tests.support.sockets import UNLIMITED

SHORT = ("--rounds", "1", "--seconds", "0.3", "--scale", "0.02", "--quick")
ROWS = ("50 rooms of 4", "idle members", "coming back")  # one of each kind; all would take minutes


def run(module: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return python("-m", module, *options)


def python(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.mark.long  # servers of both kinds are started and loaded
def test_ours_and_the_tutorial_are_measured_and_no_delivery_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    only = [word for row in ("generator alone", *ROWS) for word in ("--only", row)]
    done = run("bench.compare", *SHORT, *only, "--json", str(file))
    assert file.exists(), done.stderr
    alone, *measured = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert alone["ours"] > 0, done.stderr
    assert len(measured) == len(ROWS)
    for row in measured:
        for side in ("ours", "uvicorn", "baseline", "ratio"):
            assert row[side] is not None, done.stderr  # not so where one was miscounted
        assert row["row"] in done.stdout
        assert not any(row["miscounted"].values())
    holds = alone["holds"] and all(row["holds"] for row in measured)
    assert done.returncode == (0 if holds else 1)


@pytest.mark.long  # servers of both kinds are started and loaded
def test_others_are_measured_beside_hostile_sockets_and_without(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("bench.compare", *SHORT, "--only", "hostile", "--json", str(file))
    (row,) = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert row["ours"] > 0, done.stderr
    assert row["ratio"] == row["ours"] / row["baseline"]
    assert row["uvicorn"] is None
    assert done.returncode == (0 if row["holds"] else 1)


@pytest.mark.long  # servers of both kinds are started and loaded
def test_a_figure_of_messages_that_are_not_stored_is_none_and_the_table_says_so(
    tmp_path: Path,
) -> None:
    file = tmp_path / "bench.json"
    options = [*SHORT, "--only", "2 members, 1 in flight", "--json", str(file)]
    script = f"""
import asyncio, sys
from bench import compare, stored
stored.messages = lambda url, rooms: asyncio.sleep(0, result=1)
sys.argv = ["bench", *{options!r}]
compare.main()
"""
    done = python("-c", script)
    assert "1 stored" in done.stderr
    (row,) = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert (row["ours"], row["uvicorn"], row["holds"]) == (None, None, False)
    assert row["baseline"] > 0
    assert done.stdout.count("(1 miscounted)") == 2
    assert done.returncode == 1


def test_a_database_that_may_forget_what_it_committed_is_none_to_boast_of() -> None:
    (row,) = [row for row in rows.ROWS if "1 in flight: median" in row.name]
    figures = {row.name: {"daphne": [1.0], "uvicorn": [1.0], "tutorial": [9.0]}}
    for is_durable in (True, False):
        (result,) = compare.results_of([row], figures, with_sizes=False, is_durable=is_durable)
        assert result["holds"] is is_durable


@pytest.mark.parametrize("answer", ["on", "off"])
@pytest.mark.usefixtures("migrated_database")
async def test_postgresql_is_asked_whether_it_writes_to_the_disk(
    monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(stored, "NEVER_LOSE", {"synchronous_commit": "on"})  # a test's has no fsync
    url = make_conninfo(os.environ["DATABASE_URL"], options=f"-c synchronous_commit={answer}")
    assert await stored.is_durable(url) is (answer == "on")


@pytest.mark.parametrize(("delivered", "wrong"), [((3, 5, 3, 5), 0), ((3, 5, 4, 4), 2)])
def test_deliveries_are_counted_member_by_member(delivered: tuple[int, ...], wrong: int) -> None:
    crowd = [SimpleNamespace(sent=sent, delivered=0) for sent in (3, 4, 0, 1)]
    for member, count in zip(crowd, delivered, strict=True):
        member.delivered = count
    assert miscounted(crowd, rooms=2) == wrong  # type: ignore[arg-type]


@pytest.mark.long  # servers of both kinds are started and loaded
def test_a_storm_ends_with_everybody_seeing_the_same_count(tmp_path: Path) -> None:
    file = tmp_path / "storm.json"
    short = ("--rounds", "1", "--members", "20", "--within", "1")
    done = run("bench.storm", *short, "--json", str(file))
    assert file.exists(), done.stderr
    sides: dict[str, Any] = json.loads(file.read_text(), parse_constant=pytest.fail)
    for side in ("ours", "one by one", "half", "all"):
        assert sides[side]["agree"] is not None, done.stderr
        assert sides[side]["kilobytes"] > 0
        assert 0 < sides[side]["came"] <= sides[side]["agree"]


def test_a_storm_after_which_not_all_saw_the_same_does_not_hold(capsys: Any) -> None:
    good = storm.Storm(came=1, agree=2, kilobytes=3, p50=4, p99=5)
    never = storm.median_of([good, replace(good, agree=math.nan), good])
    bounds = {"kilobytes": 1.0, "p99": 1.0}
    assert storm.show("", ("a", "b"), {"a": good, "b": never}, bounds)
    assert not storm.show("", ("a", "b"), {"a": never, "b": good}, bounds)
    slow = {"a": replace(good, p99=6), "b": good}
    assert not storm.show("", ("a", "b"), slow, bounds)
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
