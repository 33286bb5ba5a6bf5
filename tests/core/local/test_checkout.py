"""What `manage.py` fills in for a developer, and what it leaves alone."""

import os
import signal

import pytest

from tests.support.checkout import Checkout, end, one_line, users


def test_commands_work_beside_it_and_without_it_on_the_same_data(checkout: Checkout) -> None:
    process = checkout.serve()
    beside = users(checkout)
    assert "alice" in beside
    assert process.poll() is None
    end(process, signal.SIGINT)

    assert users(checkout) == beside
    assert not checkout.processes()


@pytest.mark.parametrize("arguments", [["help"], ["--version"], ["migrate", "--help"]])
def test_asking_for_help_starts_no_server(checkout: Checkout, arguments: list[str]) -> None:
    assert checkout.manage(*arguments).returncode == 0
    assert not (checkout.directory / ".local/postgres").exists()


@pytest.mark.parametrize("arguments", [["test"], ["test", "chat", "--keepdb"]])
def test_django_s_own_way_to_run_tests_says_how_they_are_run(
    checkout: Checkout, arguments: list[str]
) -> None:
    """And fails: whoever runs it in a pipeline must not believe that all is well."""
    done = checkout.manage(*arguments)
    assert "make test" in one_line(done)
    assert done.returncode == 1
    assert not (checkout.directory / ".local/postgres").exists()
    assert "make test" in checkout.manage("help", "test").stdout


def test_a_folder_that_cannot_be_written_is_one_line(checkout: Checkout) -> None:
    (checkout.directory / ".local").write_text("in the way")
    assert ".local" in one_line(checkout.manage("migrate"))


def test_servers_that_are_set_are_used_and_none_is_started(
    checkout: Checkout, template_database: str
) -> None:
    (checkout.directory / ".env").write_text(
        f"DATABASE_URL={template_database}\nREDIS_URL={os.environ['REDIS_URL']}\n"
    )
    assert "alice" in users(checkout)
    assert not (checkout.directory / ".local/postgres").exists()
    assert not (checkout.directory / ".local/valkey").exists()


def test_each_server_that_is_not_set_is_started_by_itself(checkout: Checkout) -> None:
    done = checkout.manage("migrate", "--verbosity=0", REDIS_URL=os.environ["REDIS_URL"])
    assert done.returncode == 0, done.stderr
    assert (checkout.directory / ".local/postgres").exists()
    assert not (checkout.directory / ".local/valkey").exists()


def test_production_starts_nothing_and_assumes_nothing(checkout: Checkout) -> None:
    done = checkout.manage("migrate", SECRET_KEY="set", DEBUG="off")
    assert done.returncode != 0
    assert "DATABASE_URL" in done.stderr
    assert not (checkout.directory / ".local").exists()


def test_the_secret_key_is_made_once_and_is_nobody_elses_business(checkout: Checkout) -> None:
    def key() -> str:
        done = checkout.manage("diffsettings")
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("SECRET_KEY"))
        return line

    assert key() == key()
    path = checkout.directory / ".local/secret_key"
    assert len(path.read_text()) >= 50
    assert path.stat().st_mode & 0o077 == 0
