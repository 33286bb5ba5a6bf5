"""What continuous integration runs: the commands that people type, and no other."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.databases import ROOT


@pytest.mark.parametrize(
    ("fails", "status"), [("nothing", 0), ("check", 1), ("test", 1), ("peers", 1)]
)
def test_it_checks_and_tests_and_does_nothing_else(tmp_path: Path, fails: str, status: int) -> None:
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
    assert (done.stdout, done.stderr) == ("make check\nmake test\nmake peers\n", "")
    assert done.returncode == status
