"""Whose names in Redis: the identity of a database, and of its copies."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from core.local import embedded
from core.redis import installation
from tests.conftest import StartServer
from tests.support import databases
from tests.support.databases import ROOT
from tests.support.sockets import UNLIMITED, Client, Gate, wait_until

ASK = "from core.redis import installation; print('is:', installation.prefix())"


def prefix_of(url: str) -> str:
    said = databases.manage("shell", "-c", ASK, env={"DATABASE_URL": url})
    return said.rpartition("is: ")[2].strip()


def test_a_copy_differs_by_itself_and_a_new_identity_differs_too(template_database: str) -> None:
    with databases.copied(template_database) as url:
        before = prefix_of(url)
        assert before == prefix_of(url)
        with databases.copied(url) as copy:
            assert prefix_of(copy) != before
        env = {"DATABASE_URL": url}
        said = databases.manage("new_identity", "--noinput", env=env)
        after = prefix_of(url)
        assert after != before
        assert f"begin with {after} now, and no longer with {before}" in said
        assert "within 15 seconds" in said


def test_a_new_identity_is_asked_about(template_database: str) -> None:
    with databases.copied(template_database) as url:
        before = prefix_of(url)
        for answer in ("no\n", "\n", ""):
            done = subprocess.run(
                [sys.executable, "manage.py", "new_identity"],
                cwd=ROOT,
                env=os.environ | {"DATABASE_URL": url},
                input=answer,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            assert "Nothing was changed." in done.stderr
            assert ("Use --noinput." in done.stderr) is (answer == "")
            assert "Traceback" not in done.stderr
        assert prefix_of(url) == before


def test_a_physical_copy_is_the_same_chat_until_it_is_given_a_new_identity(tmp_path: Path) -> None:
    """Some seconds: it makes a cluster, and takes a copy of it while it stands."""
    (tmp_path / "one").mkdir()
    with embedded.servers(tmp_path / "one", wanted=["DATABASE_URL"], durable=False) as urls:
        databases.manage("migrate", "--verbosity=0", env=urls)
        before = prefix_of(urls["DATABASE_URL"])
    subprocess.run(["cp", "-a", tmp_path / "one", tmp_path / "two"], check=True)
    with embedded.servers(tmp_path / "two", wanted=["DATABASE_URL"], durable=False) as urls:
        assert prefix_of(urls["DATABASE_URL"]) == before
        databases.manage("new_identity", "--noinput", env=urls)
        assert prefix_of(urls["DATABASE_URL"]) != before


def test_the_database_has_one_identity(template_database: str) -> None:
    with databases.copied(template_database) as url, psycopg.connect(url, autocommit=True) as one:
        for row in ("(2, gen_random_uuid())", "(1, gen_random_uuid())"):
            with pytest.raises(psycopg.errors.IntegrityError):
                one.execute(f"INSERT INTO core_installation VALUES {row}")
        databases.manage("flush", "--noinput", "--verbosity=0", env={"DATABASE_URL": url})
        assert one.execute("SELECT count(*) FROM core_installation").fetchone() == (1,)
        before = prefix_of(url)
        one.execute("DELETE FROM core_installation")  # somebody by hand
        with pytest.raises(AssertionError, match=r"run `manage\.py new_identity`"):
            prefix_of(url)
        databases.manage("new_identity", "--noinput", env={"DATABASE_URL": url})
        assert prefix_of(url) != before


def test_a_server_starts_without_postgresql_and_uses_redis_when_it_knows_its_name(
    template_database: str, start_server: StartServer
) -> None:
    """Some seconds: it looks again each second."""
    with databases.copied(template_database) as url:
        gate = Gate(url)
        gate.shut()
        server = start_server(env={**UNLIMITED, "DATABASE_URL": gate.url})
        with redis.Redis.from_url(server.env["REDIS_URL"], decode_responses=True) as client:
            assert httpx.get(f"{server.url}/livez").status_code == 200
            wait_until(lambda: "Redis is not used yet" in server.log.read_text(), "it says nothing")
            assert [*client.scan_iter(), *client.pubsub_channels()] == []
            gate.open()
            prefix = prefix_of(url)
            wait_until(lambda: _is_well(server.url), "it is not ready")
            with Client(server, "lobby") as near, Client(server, "lobby") as other:
                other.until("presence.state")
                near.say("hello")
                other.until("chat.message", message="hello")
                wait_until(client.pubsub_channels, "it listens to nobody")
                wait_until(lambda: [*client.scan_iter()], "nobody is present")
                names = [*client.scan_iter(), *client.pubsub_channels()]
        assert all(name.startswith(prefix) for name in names), names
        server.stop()
        gate.shut()


def _is_well(url: str) -> bool:
    return httpx.get(f"{url}/healthz", timeout=30).status_code == 200


def test_it_is_not_known_before_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_prefixes", {})
    with pytest.raises(installation.Unknown):
        installation.known()
