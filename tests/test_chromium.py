"""Which Chromium the browser tests drive."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import chromium


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A machine that has nothing yet, whose root may install; `has` are the programs it finds."""
    machine = SimpleNamespace(
        has=["apt-get"], own=tmp_path / "playwright", user=0, installed=0, brings="chromium"
    )

    def install() -> None:
        machine.installed += 1
        machine.has.append(machine.brings)

    monkeypatch.setattr(
        chromium.shutil, "which", lambda name: name if name in machine.has else None
    )
    monkeypatch.setattr(os, "geteuid", lambda: machine.user)
    monkeypatch.setattr(chromium, "install", install)
    return machine


def chosen(machine: SimpleNamespace) -> str:
    playwright: Any = SimpleNamespace(chromium=SimpleNamespace(executable_path=str(machine.own)))
    return chromium.executable(playwright)


def test_the_machines_own_comes_first(machine: SimpleNamespace) -> None:
    machine.own.touch()
    machine.has += ["google-chrome", "chromium", chromium.SHELL]
    assert chosen(machine) == chromium.SHELL
    machine.has.remove(chromium.SHELL)
    assert chosen(machine) == "chromium"
    machine.has.remove("chromium")
    assert chosen(machine) == "google-chrome"
    assert not machine.installed


def test_then_that_of_playwright(machine: SimpleNamespace) -> None:
    machine.own.touch()
    assert chosen(machine) == str(machine.own)
    assert not machine.installed


def test_then_one_is_installed(machine: SimpleNamespace) -> None:
    assert chosen(machine) == "chromium"
    assert machine.installed == 1


@pytest.mark.parametrize("lacks", [{"user": 1000}, {"has": []}, {"brings": "nothing"}])
def test_else_the_tests_fail_and_say_what_to_do(
    machine: SimpleNamespace, lacks: dict[str, Any]
) -> None:
    vars(machine).update(lacks)
    with pytest.raises(chromium.NoChromium, match="playwright install chromium"):
        chosen(machine)


def test_where_there_is_no_shell_all_of_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    packages: list[str] = []

    def run(command: list[str]) -> None:
        if "install" in command:
            packages.append(command[-2])
            if command[-2] == chromium.SHELL:
                raise chromium.NoChromium

    monkeypatch.setattr(chromium, "run", run)
    chromium.install()
    assert packages == [chromium.SHELL, "chromium"]
