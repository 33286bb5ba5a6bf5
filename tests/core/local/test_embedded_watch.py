"""Embedded servers that die while somebody uses them are started again, at the same address."""

import fcntl
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from core.local.embedded import Share, watch
from core.local.embedded.postgres import Postgres
from core.local.embedded.server import PATIENCE, NoAnswer
from core.local.embedded.share import LEAVE_WITHIN
from tests.core.local.test_embedded import Users, another, begin, mains, select_one, urls_of
from tests.support.sockets import wait_until

__all__ = ["another"]


@pytest.fixture
def watched(directory: Path) -> Iterator[dict[str, str]]:
    """The URLs of servers that this process watches."""
    share = Share(directory, durable=False)
    urls = share.start(["DATABASE_URL", "REDIS_URL"])
    share.watch(urls)
    yield urls
    share.close()


def answers(url: str) -> bool:
    try:
        if url.startswith("redis"):
            with redis.Redis.from_url(url) as client:
                return bool(client.ping())
        return select_one(url) == 1
    except (OSError, redis.RedisError, psycopg.OperationalError):
        return False


def errors_of(user: "subprocess.Popen[str]") -> int:
    assert user.stderr is not None
    return user.stderr.fileno()


def kill(directory: Path, name: str) -> psutil.Process:
    """End a server as a crash does, and return it once it is gone."""
    process = mains(directory)[name]
    process.kill()
    psutil.wait_procs([process], timeout=10)
    return process


@pytest.mark.parametrize(
    ("name", "variable"), [("postgres", "DATABASE_URL"), ("valkey-server", "REDIS_URL")]
)
def test_after_kill_9_it_answers_again_at_the_same_address(
    directory: Path,
    watched: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    name: str,
    variable: str,
) -> None:
    def said() -> int:
        return caplog.text.count("had ended, and runs again.")

    for times in (1, 2):
        kill(directory, name)
        wait_until(lambda times=times: said() == times, f"{name} stays dead")
        assert answers(watched[variable])
    assert len(caplog.records) == 2, "one line each"


def test_a_busy_child_of_a_killed_postgresql_does_not_keep_the_next_one_out(
    directory: Path, watched: dict[str, str]
) -> None:
    """It never looks whether its parent lives, and holds the memory that only one may use."""
    url = watched["DATABASE_URL"]

    def compute() -> None:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url).execute("DO 'BEGIN LOOP END LOOP; END'")

    thread = threading.Thread(target=compute)
    thread.start()
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO %'"
        found = wait_until(lambda: connection.execute(query).fetchone(), "it is not busy")
    busy = psutil.Process(found[0])
    kill(directory, "postgres")
    try:
        wait_until(lambda: answers(url), "PostgreSQL stays dead")
        assert not busy.is_running()
    finally:
        with suppress(psutil.NoSuchProcess):
            busy.kill()
        thread.join()


def test_of_several_that_use_it_one_starts_it(directory: Path, another: Users) -> None:
    users = [begin(directory, another) for _ in range(3)]
    (urls,) = {urls_of(user) for user in users}
    said = ""
    for user in users:
        os.set_blocking(errors_of(user), False)
    for name in ("postgres", "valkey-server"):
        kill(directory, name)

    def both_run_again() -> bool:
        """And it was said: who is told to leave before that leaves it to the others."""
        nonlocal said
        for user in users:
            with suppress(BlockingIOError):
                said += os.read(errors_of(user), 65_536).decode()
        return said.count("runs again.") == 2

    wait_until(both_run_again, "they stay dead")
    pair = mains(directory)
    said += "".join(user.communicate("")[1] for user in users[1:])
    assert mains(directory) == pair, "whoever leaves lets the others keep it"
    said += users[0].communicate("")[1]
    assert said.count("PostgreSQL had ended, and runs again.") == 1, said
    assert said.count("Valkey had ended, and runs again.") == 1, said
    assert urls


def test_a_port_that_is_taken_meanwhile_is_waited_for(
    directory: Path, watched: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    url = watched["REDIS_URL"]
    kill(directory, "valkey-server")
    taken = socket.create_server(("127.0.0.1", urlsplit(url).port or 0))
    wait_until(lambda: "another program has taken its port" in caplog.text, "nothing is said")
    assert "valkey-server" not in mains(directory)
    taken.close()
    wait_until(lambda: answers(url), "Valkey stays dead")


def test_one_that_comes_meanwhile_starts_it_where_the_others_look_for_it(
    directory: Path, watched: dict[str, str]
) -> None:
    """As a `manage.py shell` beside `make run`."""
    kill(directory, "valkey-server")
    other = Share(directory, durable=False)
    assert other.start(["REDIS_URL"]) == {"REDIS_URL": watched["REDIS_URL"]}
    other.close()


def test_what_fails_however_often_starts_once_it_can(
    directory: Path,
    watched: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As on a disk that is full for an hour."""
    monkeypatch.setattr(watch, "PAUSES", (0, 0.1))
    config = directory / "postgres/data/postgresql.conf"
    right = config.read_text()
    config.write_text(right + "no_such_option = 1\n")
    kill(directory, "postgres")

    def failures() -> int:
        return caplog.text.count("PostgreSQL has ended, and does not start")

    wait_until(lambda: failures() > len(watch.PAUSES) + 1, "it is given up")
    assert answers(watched["REDIS_URL"]), "the other one is not concerned"
    config.write_text(right)
    wait_until(lambda: answers(watched["DATABASE_URL"]), "PostgreSQL stays dead")


def test_nothing_is_made_anew_where_its_folder_is_gone(
    directory: Path, watched: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """An empty database in its place would be found by nobody's tables."""
    shutil.rmtree(directory / "postgres")
    if "postgres" in mains(directory):
        kill(directory, "postgres")
    wait_until(lambda: "is not what it was" in caplog.text, "nothing is said")
    assert not (directory / "postgres/data").exists()


def test_who_leaves_while_a_server_recovers_does_not_wait_for_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = Share(directory, durable=False)
    share.watch(share.start(["DATABASE_URL"]))
    asked = threading.Event()

    def recovers(server: Postgres, url: str) -> None:
        asked.set()
        raise NoAnswer

    monkeypatch.setattr(Postgres, "ping", recovers)
    kill(directory, "postgres")
    assert asked.wait(PATIENCE)
    began = time.monotonic()
    share.close()
    assert time.monotonic() - began < PATIENCE / 4, "it waits for its recovery"
    assert not mains(directory)


def test_who_leaves_while_another_starts_a_server_leaves_it_to_them(
    directory: Path, another: Users
) -> None:
    """Takes the seconds that it waits for the other."""
    user = begin(directory, another)
    assert urls_of(user)
    with (directory / "start.lock").open("a") as lock, (directory / "users.lock").open("a") as uses:
        fcntl.flock(uses, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        _, said = user.communicate("", timeout=30)
        assert LEAVE_WITHIN <= time.monotonic() - began < 3 * LEAVE_WITHIN
        assert said == ""
    assert len(mains(directory)) == 2
    last = begin(directory, another)
    assert urls_of(last)
    last.communicate("")
    assert not mains(directory)
