"""The server in a process of its own, and where it listens."""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from django.db import OperationalError, connection
from psycopg.errors import ConnectionTimeout

from core import server
from core.database import readiness as database
from core.database.postgresql import logins
from core.environment.values import Env
from core.errors import Problem
from core.local import address
from tests.support.databases import ROOT
from tests.support.ports import free_port
from tests.support.servers import ChatServer

StartServer = Callable[..., ChatServer]
pytestmark = pytest.mark.usefixtures("migrated_database")  # many only name it, in a wrong way


def test_it_serves_and_ends_on_sigterm_with_status_0(start_server: StartServer) -> None:
    server = start_server()
    assert httpx.get(f"{server.url}/accounts/sign-in/").status_code == 200
    assert server.stop() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_what_is_not_found_is_logged_once(start_server: StartServer) -> None:
    server = start_server(env={"DEBUG": "on"})
    assert httpx.get(f"{server.url}/nowhere").status_code == 404
    assert server.log.read_text().count("/nowhere") == 1


def test_it_comes_back_on_its_data_after_a_crash(start_server: StartServer) -> None:
    server = start_server()
    server.kill()
    server.start()
    assert httpx.get(f"{server.url}/accounts/sign-in/").status_code == 200


def test_two_processes_of_one_chat_share_database_and_redis(start_server: StartServer) -> None:
    first = start_server()
    second = start_server(beside=first)
    assert first.url != second.url
    assert {first.env[name] == second.env[name] for name in ("DATABASE_URL", "REDIS_URL")} == {True}


def test_servers_of_different_tests_share_nothing(start_server: StartServer) -> None:
    first, second = start_server(), start_server()
    assert first.env["DATABASE_URL"] != second.env["DATABASE_URL"]


def test_a_port_in_use_is_said_and_fails(start_server: StartServer) -> None:
    server = start_server()
    done = subprocess.run(
        [sys.executable, "-m", "core.server"],
        cwd=ROOT,
        env=server.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"port {server.port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_tables_that_are_not_there_are_said_at_the_start(
    caplog: pytest.LogCaptureFixture, db: None
) -> None:
    """Else the first that anybody hears of a forgotten `migrate` is an error in their browser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "ensure_answer", lambda: None)
        patch.setattr(database, "unapplied_migrations", lambda: ["chat.0001_initial"])
        server.say_what_is_missing()
    assert "1 migrations are missing: run `manage.py migrate`" in caplog.text


# -- a database that cannot be used -----------------------------------------------------------


def login(user: str, password: str, name: str = "") -> str:
    """The tests' PostgreSQL, with another login."""
    url = urlsplit(os.environ["DATABASE_URL"])
    place = f"{user}:{password}@{url.hostname}:{url.port}"
    return url._replace(netloc=place, path=f"/{name}" if name else url.path).geturl()


def ask(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    """What is said of the database at `url`; raises Unfit where it will not be another time."""
    monkeypatch.setenv("X", url)
    for name, value in Env().db_url("X").items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    with pytest.raises(Problem) as said:
        database.ensure_answer()
    assert "\n" not in str(said.value)
    assert "S3cret" not in str(said.value)
    if isinstance(said.value, database.Unfit):
        raise said.value
    return str(said.value)


@pytest.fixture
def role() -> Iterator[str]:
    """A user with the password S3cret, whom nobody lets in."""
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as operator:
        operator.execute(f"CREATE ROLE {name} PASSWORD 'S3cret' CONNECTION LIMIT 0")
        yield name
        operator.execute(f"DROP ROLE {name}")


def test_a_password_that_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(database.Unfit, match="it refuses the password"):
        ask(monkeypatch, login("chat", "S3cret"))
    with pytest.raises(database.Unfit, match="it wants a password"):
        ask(monkeypatch, login("chat", ""))


def test_a_user_who_may_not_enter_and_one_too_many(
    monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    with pytest.raises(database.Unfit, match="it does not let that user in"):
        ask(monkeypatch, login(role, "S3cret"))
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as operator:
        operator.execute(f"ALTER ROLE {role} LOGIN")
    assert "too many connections" in ask(monkeypatch, login(role, "S3cret"))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/S3cret", "it has no database of that name"),
        ("?sslmode=S3cret", "the option sslmode of DATABASE_URL makes no sense"),
        ("?target_session_attrs=S3cret", "the option target_session_attrs of"),
        ("?ssl_min_protocol_version=S3cret", "the option ssl_min_protocol_version of"),
        ("?options=-c%20S3cret%3D1", "it does not know a parameter"),
        ("?options=-c%20work_mem%3DS3cret", "it refuses what the options"),
    ],
)
def test_an_address_that_it_cannot_serve(
    monkeypatch: pytest.MonkeyPatch, path: str, says: str
) -> None:
    url = os.environ["DATABASE_URL"]
    changed = url.rpartition("/")[0] + path if path[0] == "/" else url.partition("?")[0] + path
    with pytest.raises(database.Unfit, match=says):
        ask(monkeypatch, changed)


REFUSING = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        with listener.accept()[0] as client:
            client.recv(4096)
            client.sendall(bytes.fromhex(sys.argv[1]))
"""


@contextmanager
def answering(sqlstate: str, text: str) -> Iterator[str]:
    """The URL of a PostgreSQL that answers each login with an error. A process of its own: libpq's
    ping holds Python's lock."""
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{text}\0\0".encode()
    message = b"E" + struct.pack("!i", len(fields) + 4) + fields
    with subprocess.Popen(
        [sys.executable, "-c", REFUSING, message.hex()], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        place = f"127.0.0.1:{process.stdout.readline().strip()}"
        try:
            yield f"postgres://chat:S3cret@{place}/chat?sslmode=disable&gssencmode=disable"
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [
        ("57P03", "le système de bases de données se lance"),
        ("53300", "désolé, trop de clients sont déjà connectés"),
        ("08P01", "server login has been failing"),  # a PgBouncer that waits for PostgreSQL
        ("XX000", "something else"),
    ],
)
def test_what_may_pass_is_only_warned_of(
    monkeypatch: pytest.MonkeyPatch, sqlstate: str, text: str
) -> None:
    with answering(sqlstate, text) as url:
        said = ask(monkeypatch, url)
        logins.ensure_let_in(connection.get_connection_params())  # the pool waits for it
    assert text in said


def test_one_that_does_not_answer_is_not_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "PGconn", None)
    assert logins.why_refused(connection.get_connection_params(), ConnectionTimeout()) == ""


@pytest.mark.parametrize(
    ("sqlstate", "text", "says"),
    [
        ("28P01", "authentification par mot de passe échouée", "it refuses the password"),
        ("08P01", "password authentication failed", "it refuses the password"),  # PgBouncer
        ("3D000", "la base de données n'existe pas", "it has no database of that name"),
        ("42501", "droit refusé", "may not connect"),
    ],
)
def test_a_refusal_is_known_in_any_language(
    monkeypatch: pytest.MonkeyPatch, sqlstate: str, text: str, says: str
) -> None:
    with answering(sqlstate, text) as url, pytest.raises(database.Unfit, match=says):
        ask(monkeypatch, url)


@pytest.mark.parametrize(
    "command",
    [
        *(["-m", "core.server"], ["manage.py", "run"], ["manage.py", "migrate"]),
        *(["manage.py", "remove_guests"], ["manage.py", "seed", "--rooms=1"]),
        ["manage.py", "createsuperuser", "--noinput", "--username=boss", "--email=b@example.org"],
        ["manage.py", "shell", "-c", "from core.models import User; User.objects.count()"],
    ],
    ids=lambda command: command[1],
)
def test_a_database_that_refuses_us_ends_what_needs_it(command: list[str]) -> None:
    ended_by(command, login("chat", "S3cret"), "it refuses the password")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (lambda: login("S3cret", "S3cret"), "it refuses the password (or the user's name)"),
        (
            lambda: urlsplit(os.environ["DATABASE_URL"])._replace(path="/S3cret").geturl(),
            "it has no database of that name",
        ),
    ],
    ids=["role", "database"],
)
def test_so_does_a_name_that_it_does_not_know(url: Callable[[], str], says: str) -> None:
    ended_by(["manage.py", "migrate"], url(), says)


def ended_by(command: list[str], url: str, says: str) -> None:
    """One line, and not those of a pool that tries again and again."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert says in line
    assert "S3cret" not in done.stdout + done.stderr


def test_a_database_that_goes_away_again_while_we_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OperationalError("connection failed\nfor some reason")

    monkeypatch.setattr(database, "ensure_answer", lambda: None)
    monkeypatch.setattr(database, "unapplied_migrations", fail)
    server.say_what_is_missing()
    assert "The database cannot do that now: connection failed Try again." in caplog.messages


# -- settings and addresses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"PRESENCE_SHOWN": "251"}, "core.E015"), ({"CHAT_MESSAGE_MAX": "5000"}, "core.E010")],
    ids=["the project's", "the chat's"],
)
def test_it_does_not_start_with_settings_that_contradict_each_other(
    wrong: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.server"],
        cwd=ROOT,
        env=os.environ | wrong,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"core.server: ({says})")


@pytest.mark.parametrize(("name", "value"), [("PORT", "65536"), ("HOST", "two words")])
def test_a_wrong_address_is_said_before_all_that_is_doubtful(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.server"],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "off", "ALLOWED_HOSTS": "chat.example.org", name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"core.server: {name} must be")


def test_by_default_only_this_machine_can_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.setenv("PORT", "")
    assert address.chosen() == ("127.0.0.1", 8000)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "٣"])
def test_a_port_must_be_a_port(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Problem, match="PORT"):
        address.chosen()


@pytest.mark.parametrize(
    ("host", "loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8000/"),
        ("localhost", True, "http://localhost:8000/"),
        ("::1", True, "http://[::1]:8000/"),
        ("0.0.0.0", False, "http://127.0.0.1:8000/"),
        ("::", False, "http://[::1]:8000/"),
        ("chat.example.org", False, "http://chat.example.org:8000/"),
    ],
)
def test_what_to_type_into_a_browser(host: str, loopback: bool, url: str) -> None:
    assert address.url(host, 8000) == url
    assert address.is_loopback(host) is loopback


def test_a_port_that_somebody_uses_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=f"Port {port}"):
            address.ensure_free("127.0.0.1", port)
    address.ensure_free("127.0.0.1", port)
