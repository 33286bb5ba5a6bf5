"""What continuous integration runs: the commands that people type, and no other."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.databases import ROOT

TARGETS = ["check", "test", "long", "peers", "faults"]


@pytest.mark.parametrize("fails", ["nothing", *TARGETS])
def test_it_checks_and_tests_and_does_nothing_else(tmp_path: Path, fails: str) -> None:
    (tmp_path / ".ci").mkdir()
    run = shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    make = tmp_path / "bin/make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\necho "make $*"\n[ "$*" != {fails} ]\n')
    make.chmod(0o755)
    path = f"{make.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [run], env={"PATH": path}, cwd="/", capture_output=True, text=True, check=False
    )
    assert (done.stdout.splitlines(), done.stderr) == ([f"make {name}" for name in TARGETS], "")
    assert done.returncode == (fails in TARGETS)


def test_what_make_test_leaves_out_is_run_beside_it() -> None:
    """By a marker, and by a folder that pytest does not enter by itself."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "-m 'not long'" in settings["addopts"]
    assert [name for name in settings["norecursedirs"] if not name.startswith(".")] == ["peers"]
    makefile = (ROOT / "Makefile").read_text()
    assert "pytest -m long $(ARGS)" in makefile
    assert "pytest tests/peers $(ARGS)" in makefile


# -- the hosted workflow ----------------------------------------------------------------------

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
JOBS: dict[str, Any] = WORKFLOW["jobs"]


def test_the_workflow_runs_the_commands_that_people_type_and_no_other() -> None:
    ran = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert ran == ["make check", "make audit", "make test"]


def test_the_workflow_tests_on_the_oldest_python_and_on_the_newest() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    (oldest,) = re.findall(r'^requires-python = ">=(.*)"', project, flags=re.M)
    tested = JOBS["test"]["strategy"]["matrix"]["python"]
    assert tested[0] == oldest
    assert len(tested) == 2


def test_the_workflow_may_only_read_and_ends() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is True
    for job in JOBS.values():
        assert job["timeout-minutes"] <= 60
        assert "permissions" not in job


def test_the_workflow_names_the_commit_of_every_action() -> None:
    used = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert used
    for action in used:  # a tag can be moved to other code
        assert re.fullmatch(r"actions/(checkout|setup-python)@[0-9a-f]{40}", action)


# -- what `make check` adds to Python's own tools ---------------------------------------------


@pytest.mark.parametrize(
    ("linter", "name", "text", "fault"),
    [
        ("oxlint", "x.js", "export const f = () => nope();", "no-undef"),
        ("oxlint", "x.js", 'import { nope } from "./x.js"; nope();', "import(named)"),
        ("djlint", "x.html", "<p><b>open</p>", "H025"),
        ("djlint", "x.html", '<img src="x.png">', "H013"),
        ("djlint", "x.html", "{% if x %}<p>open</p>", "T038"),
    ],
)
def test_a_linter_finds(tmp_path: Path, linter: str, name: str, text: str, fault: str) -> None:
    for settings in ("pyproject.toml", ".oxlintrc.json"):
        shutil.copy(ROOT / settings, tmp_path)
    (tmp_path / name).write_text(text)
    lint = [Path(sys.executable).parent / linter, "--quiet", "."]
    done = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert fault in done.stdout
    assert done.returncode == 1
