"""What is said at the start of a Redis that cannot be used, and by /healthz of it afterwards."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from pytest_django import Settings
from redis import Redis, ResponseError

from core.environment import service_url
from core.errors import Problem
from core.redis import readiness as redis_server
from core.trouble import Trouble
from core.web import health
from tests.core.conftest import StartValkey
from tests.support import databases
from tests.support.checkout import PATIENCE, Checkout, end
from tests.support.ports import free_port
from tests.support.sockets import wait_until


class Web(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    """HOST:PORT of something that answers, and is no Redis."""
    with HTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def refused(settings: Settings, url: str) -> str:
    settings.REDIS_URL = url
    with pytest.raises(Problem) as said:
        redis_server.ensure_usable()
    text = str(said.value)
    assert text.startswith(f"The Redis at {service_url.redis(url).place} ")
    assert "\n" not in text
    assert "S3cret" not in text
    return text


def test_a_redis_as_it_should_be(
    settings: Settings, start_valkey: StartValkey, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = f"redis://:S3%23cret@{start_valkey('--requirepass', 'S3#cret')}/1"
    redis_server.ensure_usable()
    assert not caplog.records


def test_a_password_that_is_wrong_or_missing(settings: Settings, start_valkey: StartValkey) -> None:
    place = start_valkey("--requirepass", "right")
    assert "refuses the password" in refused(settings, f"redis://:S3cret@{place}/0")
    assert "refuses the password" in refused(settings, f"redis://me:S3cret@{place}/0")
    assert "wants a password" in refused(settings, f"redis://{place}/0")


@pytest.mark.parametrize(
    ("options", "url", "says"),
    [
        (["--sentinel"], "redis://:S3cret@{}/0", "it is a Sentinel"),
        (["--cluster-enabled", "yes"], "redis://{}/0", "Set REDIS_CLUSTER=on"),
        (["--replicaof", "127.0.0.1", "1"], "redis://{}/0", "it is a replica"),
        ([], "redis://{}/99", "it has no database 99"),
    ],
)
def test_one_of_the_wrong_kind(
    settings: Settings, start_valkey: StartValkey, options: list[str], url: str, says: str
) -> None:
    assert says in refused(settings, url.format(start_valkey(*options)))


def test_one_that_is_no_cluster(settings: Settings, start_valkey: StartValkey) -> None:
    settings.REDIS_CLUSTER = True
    assert "Set REDIS_CLUSTER=off" in refused(settings, f"redis://{start_valkey()}/0")


def test_a_user_who_may_do_nothing(settings: Settings, start_valkey: StartValkey) -> None:
    place = start_valkey("--user", "me", "on", ">S3cret", "-@all")
    assert "may not use its commands" in refused(settings, f"redis://me:S3cret@{place}/0")


def test_something_that_is_no_redis(settings: Settings, web: str) -> None:
    assert "protocol of Redis" in refused(settings, f"redis://:S3cret@{web}/0")


@pytest.mark.parametrize("kind", ["refuses", "hangs up"])
def test_one_that_is_away_is_only_warned_of(
    settings: Settings, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """As it may be for a while; the chat goes on."""

    def hang_up() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = free_port() if kind == "refuses" else listener.getsockname()[1]
        threading.Thread(target=hang_up, daemon=True).start()
        settings.REDIS_URL = f"redis://:S3cret@127.0.0.1:{port}/0"
        redis_server.ensure_usable()
        listener.shutdown(socket.SHUT_RDWR)
    (record,) = caplog.records
    assert f"No connection to Redis at 127.0.0.1:{port}" in record.getMessage()
    assert "S3cret" not in caplog.text


WRITES_REFUSED = [("maxmemory", "full"), ("min-replicas-to-write", "read-only")]


@pytest.mark.parametrize("option", [option for option, _ in WRITES_REFUSED])
def test_one_that_takes_no_writes_is_only_warned_of(
    settings: Settings, start_valkey: StartValkey, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    """The chat goes on: what is published still arrives."""
    place = start_valkey(f"--{option}", "1")
    settings.REDIS_URL = f"redis://{place}/0"
    redis_server.ensure_usable()
    (record,) = caplog.records
    assert f"The Redis at {place} takes no writes" in record.getMessage()


@pytest.mark.django_db
@pytest.mark.parametrize(("option", "word"), WRITES_REFUSED)
def test_healthz_says_why_it_takes_no_writes_and_is_well(
    client: Client, settings: Settings, start_valkey: StartValkey, option: str, word: str
) -> None:
    settings.REDIS_URL = f"redis://{start_valkey(f'--{option}', '1')}/0"
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["redis"]) == (200, word)
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.config_set(option, 0)
        assert client.get("/healthz").json()["redis"] == "ok"
        assert redis.dbsize() == 0, "to ask leaves nothing there"


def test_a_replica_of_a_cluster_leads_to_the_others(
    settings: Settings, start_valkey: StartValkey, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_CLUSTER = True
    places = [
        start_valkey("--cluster-enabled", "yes", "--cluster-config-file", f"{name}.nodes")
        for name in ("primary", "replica")
    ]
    settings.REDIS_URL = f"redis://{places[1]}/0"
    with (
        Redis.from_url(f"redis://{places[0]}") as primary,
        Redis.from_url(settings.REDIS_URL) as replica,
    ):
        bus = primary.config_get("cluster-port")["cluster-port"]
        replica.execute_command("CLUSTER", "MEET", *places[0].split(":"), bus)
        name = primary.execute_command("CLUSTER", "MYID")

        def follows() -> bool:
            with suppress(ResponseError):  # it does not know the other yet
                replica.execute_command("CLUSTER", "REPLICATE", name)
            return bool(replica.role()[0] == b"slave")

        wait_until(follows, "it becomes no replica")
    redis_server.ensure_usable()
    assert not caplog.records


# -- with TLS ---------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that nobody but itself vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    place = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(place, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    return file


@pytest.fixture
def with_tls(start_valkey: StartValkey, certificate: Path) -> Iterator[str]:
    """HOST:PORT of a Redis that speaks TLS: the tests' own does not, so we stand before it."""
    host, port = start_valkey().split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)

    def pass_on(client: socket.socket) -> None:
        with (
            suppress(OSError),
            closing(client),
            context.wrap_socket(client, server_side=True) as outer,
            socket.create_connection((host, int(port))) as inner,
        ):
            threading.Thread(target=pump, args=(inner, outer), daemon=True).start()
            pump(outer, inner)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                threading.Thread(target=pass_on, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_one_with_tls(
    settings: Settings, with_tls: str, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for option in (f"ssl_ca_certs={certificate}", "ssl_cert_reqs=none"):
        settings.REDIS_URL = f"rediss://{with_tls}/0?{option}"
        redis_server.ensure_usable()
    assert not caplog.records


def test_a_certificate_that_is_not_trusted(settings: Settings, with_tls: str) -> None:
    said = refused(settings, f"rediss://:S3cret@{with_tls}/0")
    assert "its certificate is not trusted" in said
    assert "ssl_ca_certs=FILE" in said


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
@pytest.mark.parametrize(
    "file", ["/nowhere/S3cret.pem", "/", f"{__file__}/S3cret.pem", "/S3cret" * 1_000]
)
def test_a_file_of_certificates_that_is_not_there(
    settings: Settings, with_tls: str, option: str, file: str
) -> None:
    url = f"rediss://:S3cret@{with_tls}/0?{option}={file}"
    assert "a file that the options of REDIS_URL name" in refused(settings, url)


@pytest.mark.parametrize("options", [[], ["--requirepass", "right"]])
def test_one_that_speaks_no_tls(
    settings: Settings, start_valkey: StartValkey, options: list[str]
) -> None:
    url = f"rediss://:S3cret@{start_valkey(*options)}/0"
    assert "it does not speak TLS there" in refused(settings, url)


# -- whoever starts ---------------------------------------------------------------------------


@pytest.fixture(params=[["--requirepass", "right"], ["--sentinel"], ["--replicaof", "127.0.0.1 1"]])
def unusable(
    request: pytest.FixtureRequest, start_valkey: StartValkey, template_database: str
) -> Iterator[dict[str, str]]:
    """The addresses of a database that is well, and of a Redis that is not."""
    place = start_valkey(*request.param)
    with databases.copied(template_database) as url:
        yield {"DATABASE_URL": url, "REDIS_URL": f"redis://:S3cret@{place}/0"}


@pytest.mark.parametrize("command", [["-m", "core.server"], ["manage.py", "run"]])
def test_a_server_does_not_start_with_it(unusable: dict[str, str], command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=databases.ROOT,
        env={**os.environ, **unusable, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    place = service_url.redis(unusable["REDIS_URL"]).place
    assert f"The Redis at {place} cannot be used: " in line
    assert "S3cret" not in done.stdout + done.stderr


def test_runserver_warns_of_it_and_serves(unusable: dict[str, str], checkout: Checkout) -> None:
    process = checkout.serve("runserver", "--noreload", **unusable)
    assert "Warning: The Redis at " in checkout.output
    assert httpx.get(f"http://127.0.0.1:{checkout.port}/livez").status_code == 200
    status, more = end(process, signal.SIGTERM)
    assert status == 0
    assert "S3cret" not in checkout.output + more


@pytest.fixture
def new_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that goes on since an earlier test, and was said then."""
    monkeypatch.setitem(health.troubles, "redis", Trouble(health.logger, "Not ready, redis"))


@pytest.mark.django_db
@pytest.mark.usefixtures("new_trouble")
@pytest.mark.parametrize("options", [["--requirepass", "right"], ["--sentinel"]])
def test_healthz_does_not_call_it_ok(
    client: Client,
    settings: Settings,
    start_valkey: StartValkey,
    caplog: pytest.LogCaptureFixture,
    options: list[str],
) -> None:
    settings.REDIS_URL = f"redis://:S3cret@{start_valkey(*options)}/0"
    assert client.get("/healthz").json()["redis"] != "ok"
    assert "cannot be used" in caplog.text
    assert "S3cret" not in caplog.text
