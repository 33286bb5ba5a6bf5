"""What the embedded servers cannot do is said in one line that a person can act on."""

from pathlib import Path

import pytest

from core.errors import Problem
from core.local import embedded
from core.local.embedded import Share, server


def test_a_wheel_that_is_missing_is_said_in_one_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    with (
        pytest.raises(Problem, match=r"no Valkey for this machine.*set REDIS_URL") as raised,
        embedded.servers(directory, wanted=["REDIS_URL"]),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_data_of_another_version_is_said_in_one_line(directory: Path) -> None:
    with embedded.servers(directory, durable=False):
        pass
    (directory / "postgres/data/PG_VERSION").write_text("17\n")
    with (
        pytest.raises(Problem, match=r"written by PostgreSQL 17, and 18 is installed") as raised,
        embedded.servers(directory),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_password_that_is_lost_is_said_in_one_line(directory: Path) -> None:
    with embedded.servers(directory, durable=False):
        pass
    (directory / "postgres/password").unlink()
    with (
        pytest.raises(Problem, match=r"postgres/password does not open the database") as raised,
        embedded.servers(directory, durable=False),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_server_that_does_not_start_is_said_in_one_line(directory: Path) -> None:
    with embedded.servers(directory, durable=False):
        pass
    with (directory / "postgres/data/postgresql.conf").open("a") as file:
        file.write("no_such_option = 1\n")
    with (
        pytest.raises(Problem, match=r"PostgreSQL does not start: .*postgres/log") as raised,
        embedded.servers(directory, durable=False),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Problem, match=r"cannot use .*file.*Make it writable") as raised:
        Share(tmp_path / "file").start(["REDIS_URL"])
    assert "\n" not in str(raised.value)
