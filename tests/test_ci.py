"""What continuous integration runs: the commands that people type, and no other."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

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
