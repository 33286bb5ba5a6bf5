"""The servers of a developer's machine: one pair for all, healed by whoever comes next."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from core.local import embedded
from core.local.embedded import Share, server
from tests.support.databases import ROOT
from tests.support.processes import processes_of

USER = """
import sys, time
from pathlib import Path
from core.local.embedded import Share
share = Share(Path(sys.argv[1]), durable=False)
urls = share.start(["DATABASE_URL", "REDIS_URL"])
share.watch(urls)
print(urls, flush=True)
sys.stdin.read()
share.close()
"""

Users = list["subprocess.Popen[str]"]


@pytest.fixture
def another(directory: Path) -> Iterator[Users]:
    """Other processes that use the servers; ended after the test."""
    users: list[subprocess.Popen[str]] = []
    yield users
    for user in users:
        user.kill()
        user.communicate()


def begin(directory: Path, users: Users) -> "subprocess.Popen[str]":
    user = subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    users.append(user)
    return user


def urls_of(user: "subprocess.Popen[str]") -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def mains(directory: Path) -> dict[str, psutil.Process]:
    """The main process of each server."""
    servers: dict[int, tuple[str, int, psutil.Process]] = {}
    for process in processes_of(directory):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if (name := process.name()) in ("postgres", "valkey-server"):
                servers[process.pid] = (name, process.ppid(), process)
    return {name: one for name, parent, one in servers.values() if parent not in servers}


def select_one(url: str) -> int:
    with psycopg.connect(url) as connection:
        (one,) = connection.execute("SELECT 1").fetchone() or (0,)
        return int(one)


def test_both_servers_answer_and_end_with_the_block(directory: Path) -> None:
    with embedded.servers(directory, durable=False) as urls:
        assert select_one(urls["DATABASE_URL"]) == 1
        with redis.Redis.from_url(urls["REDIS_URL"]) as client:
            assert client.ping()
    assert not processes_of(directory)


def test_a_server_that_is_not_wanted_does_not_start(directory: Path) -> None:
    with embedded.servers(directory, wanted=["REDIS_URL"]) as urls:
        assert list(urls) == ["REDIS_URL"]
        assert list(mains(directory)) == ["valkey-server"]


def test_they_listen_on_loopback_only_and_ask_for_the_password(directory: Path) -> None:
    with embedded.servers(directory, durable=False) as urls:
        for process in mains(directory).values():
            listening = [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
            assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
        with pytest.raises(psycopg.OperationalError, match="password"):
            select_one(urls["DATABASE_URL"].replace("chat:", "chat:wrong"))
        with (
            redis.Redis.from_url(
                urls["REDIS_URL"].replace("redis://:", "redis://:wrong")
            ) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_what_opens_them_is_for_the_owner_only(directory: Path) -> None:
    with embedded.servers(directory, durable=False):
        secrets = [*directory.glob("*/password"), directory / "valkey/valkey.conf"]
        assert len(secrets) == 3
        assert {path.stat().st_mode & 0o077 for path in secrets} == {0}
        arguments = [word for p in processes_of(directory) for word in p.cmdline()]
        assert not any(path.read_text() in " ".join(arguments) for path in secrets[:2])


def test_data_is_kept_between_runs(directory: Path) -> None:
    for expected in (0, 1):
        with (
            embedded.servers(directory) as urls,
            psycopg.connect(urls["DATABASE_URL"], autocommit=True) as connection,
        ):
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE TABLE IF NOT EXISTS kept (one int)")
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (expected,)
            connection.execute("INSERT INTO kept VALUES (1)")


def test_text_sorts_and_folds_the_same_on_every_machine(directory: Path) -> None:
    with (
        embedded.servers(directory, wanted=["DATABASE_URL"], durable=False) as urls,
        psycopg.connect(urls["DATABASE_URL"]) as connection,
    ):
        assert connection.execute("SELECT 'ÄÉ' ILIKE 'äé', 'a' < 'B'").fetchone() == (True, False)


def test_two_at_once_start_one_pair_and_the_last_one_out_stops_it(
    directory: Path, another: Users
) -> None:
    first, second = begin(directory, another), begin(directory, another)
    assert urls_of(first) == urls_of(second) != ""
    pair = mains(directory)
    assert sorted(pair) == ["postgres", "valkey-server"]

    first.communicate("")
    assert mains(directory) == pair
    second.communicate("")
    assert not processes_of(directory)


def test_after_kill_9_of_the_last_user_the_next_one_takes_the_servers_over(
    directory: Path, another: Users
) -> None:
    killed = begin(directory, another)
    urls = urls_of(killed)
    killed.kill()
    killed.wait()
    orphans = mains(directory)
    assert len(orphans) == 2

    with embedded.servers(directory) as found:
        assert str(found) == urls
        assert mains(directory) == orphans
    assert not processes_of(directory)


@pytest.mark.parametrize("victim", ["postgres", "valkey-server"])
def test_after_kill_9_of_a_server_the_next_start_heals(directory: Path, victim: str) -> None:
    with embedded.servers(directory, durable=False) as urls:
        with psycopg.connect(urls["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("CREATE TABLE kept ()")
            mains(directory)[victim].kill()  # with a backend alive, which outlives its parent
            with embedded.servers(directory, durable=False) as healed:
                assert select_one(healed["DATABASE_URL"]) == 1
        with psycopg.connect(healed["DATABASE_URL"]) as again:
            assert again.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        with redis.Redis.from_url(healed["REDIS_URL"]) as client:
            assert client.ping()


def test_a_pid_file_whose_number_went_to_another_program_does_not_matter(directory: Path) -> None:
    """As after a reboot. The number must be of PostgreSQL's own user to be in the way."""
    with embedded.servers(directory, durable=False):
        mains(directory)["postgres"].kill()
    pid_file = directory / "postgres/data/postmaster.pid"
    number, *rest = pid_file.read_text().splitlines()
    owner = pid_file.stat()
    user = owner.st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=user) as other:
        pid_file.write_text("\n".join([str(other.pid), *rest]))
        with embedded.servers(directory, durable=False) as urls:
            assert select_one(urls["DATABASE_URL"]) == 1
        assert other.poll() is None
        other.kill()
    assert number != str(other.pid)


def test_a_port_that_was_taken_since_is_not_used_again(directory: Path) -> None:
    with embedded.servers(directory, durable=False) as urls:
        ports = [int(url.rpartition(":")[2].partition("/")[0]) for url in urls.values()]
    with ExitStack() as others:
        for port in ports:
            others.enter_context(socket.create_server(("127.0.0.1", port)))
        urls = others.enter_context(embedded.servers(directory, durable=False))
        assert select_one(urls["DATABASE_URL"]) == 1


def test_a_port_taken_while_starting_is_tried_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = server.free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(server, "free_port", lambda: next(ports, None) or free_port())
        with embedded.servers(directory, durable=False) as urls:
            assert select_one(urls["DATABASE_URL"]) == 1


def test_a_frozen_server_is_replaced(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 1.0)
    with embedded.servers(directory, wanted=["REDIS_URL"]):
        frozen = mains(directory)["valkey-server"]
        frozen.send_signal(signal.SIGSTOP)
        with embedded.servers(directory, wanted=["REDIS_URL"]) as urls:
            assert mains(directory)["valkey-server"].pid != frozen.pid
            with redis.Redis.from_url(urls["REDIS_URL"]) as client:
                assert client.ping()


def test_servers_whose_folder_was_deleted_are_stopped_all_the_same(tmp_path: Path) -> None:
    directory = tmp_path / "deleted"
    with embedded.servers(directory, durable=False):
        assert mains(directory)
        shutil.rmtree(directory)
    assert not processes_of(directory)


def test_half_a_database_never_counts(directory: Path) -> None:
    leftover = directory / "postgres/new-abc/data"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")
    with embedded.servers(directory, durable=False) as urls:
        assert select_one(urls["DATABASE_URL"]) == 1
    assert not list((directory / "postgres").glob("new-*"))


def test_a_fork_does_not_stop_its_parents_servers(directory: Path) -> None:
    share = Share(directory)
    share.start(["REDIS_URL"])
    child = os.fork()
    if child == 0:
        share.close()
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.1)
    assert mains(directory)
    share.close()
