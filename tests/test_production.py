"""The chat as docker-compose.yml and the Dockerfile would run it, less the containers.

The folder of the image, made as the Dockerfile makes it; the services' own commands and variables;
real PostgreSQL and Valkey. With a real nginx in front: tests/peers/test_nginx.py.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import StartServer
from tests.support import databases, deployment, nginx, servers
from tests.support.servers import ChatServer

HOST = "chat.example.org"
OURS, FOREIGN = f"https://{HOST}", "https://chat.example.net"
# As the proxy says that it was asked.
BY_HTTPS = {"Host": HOST, "X-Forwarded-Proto": "https"}
OUTER_PROXY = "127.0.0.9"  # the one that ends TLS; `nginx` is told to believe it


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's folder /app."""
    directory = tmp_path_factory.mktemp("image") / "app"
    directory.mkdir()
    deployment.build(directory)
    return directory


@pytest.fixture(scope="module")
def production(template_database: str, image: Path) -> Iterator[ChatServer]:
    """The service `web`. An address may make one room, so that the tests can tell addresses."""
    env = deployment.environment("web") | {
        "STATIC_ROOT": str(image / "staticfiles"),
        "CHAT_GUESTS": "",
        "CHAT_NEW_ROOMS_PER_ADDRESS": "1/hour",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "HOST", "PORT"):  # the places are the test's
        del env[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "ROOT", image)
        with servers.chat_server(template_database, env=env) as server:
            yield server


def get(url: str, path: str, *, come_from: str = "127.0.0.1", **headers: str) -> httpx.Response:
    """GET as seen by a browser that found us by https; `X_Real_IP=…` is a header."""
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.HTTPTransport(local_address=come_from)
    with httpx.Client(transport=transport, timeout=30) as client:
        return client.get(url + path, headers=BY_HTTPS | written)


@pytest.fixture(scope="module")
def alice(production: ChatServer) -> str:
    """The cookies of alice, signed in through the form."""
    page, csrf = get(production.url, "/accounts/sign-in/"), production.cookie("csrf")
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    answer = httpx.post(
        f"{production.url}/accounts/sign-in/",
        data={"username": "alice", "password": "demo", "csrfmiddlewaretoken": token},
        headers=BY_HTTPS | {"Origin": OURS, "Cookie": f"{csrf}={page.cookies[csrf]}"},
    )
    assert answer.status_code == 302, answer.text
    assert "Secure" in answer.headers["set-cookie"]
    name = production.cookie()
    return f"{name}={answer.cookies[name]}"


def open_socket(url: str, origin: str, cookies: str = "", **headers: str) -> ClientConnection:
    place = urlsplit(url)
    return connect(
        f"ws://{HOST}/ws/chat/lobby/?since=",
        sock=socket.create_connection((place.hostname, place.port)),
        origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookies, "X-Forwarded-Proto": "https", **headers},
        proxy=None,
    )


# -- the server -------------------------------------------------------------------------------


def test_the_commands_before_the_server_work_on_an_empty_database(
    image: Path, template_database: str
) -> None:
    with databases.created("template0") as url:
        env = deployment.environment("migrate") | {"DATABASE_URL": url}
        deployment.run(deployment.SERVICES["migrate"]["command"], image, env)
        deployment.run([*deployment.SERVICES["migrate"]["command"], "--check"], image, env)


def test_the_health_check_asks_this_server(production: ChatServer) -> None:
    _, _, *words = deployment.SERVICES["web"]["healthcheck"]["test"]
    assert "localhost:8000/" in words[-1]

    def ask(port: int) -> int:
        code = words[-1].replace(":8000/", f":{port}/")
        command = [sys.executable, *words[:-1], code]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert ask(production.port) == 0
    assert ask(nginx.free_port()) != 0


def test_http_is_sent_to_https(production: ChatServer) -> None:
    answer = httpx.get(f"{production.url}/chat/", headers={"Host": HOST})
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{OURS}/chat/"
    assert "max-age" in get(production.url, "/chat/").headers["strict-transport-security"]


def test_a_name_that_is_not_ours_is_refused(production: ChatServer) -> None:
    assert get(production.url, "/chat/", Host="chat.example.net").status_code == 400


def test_guests_are_sent_to_sign_in(production: ChatServer) -> None:
    for path in ("/chat/", "/chat/lobby/"):
        answer = get(production.url, path)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/accounts/sign-in/")
    with open_socket(production.url, OURS) as guest:
        with suppress(ConnectionClosed):
            while guest.recv(20):
                pass
        assert guest.close_code == 4401


def test_an_error_shows_nothing_of_the_inside(production: ChatServer) -> None:
    answer = get(production.url, "/nowhere/")
    assert answer.status_code == 404
    assert "urlpatterns" not in answer.text
    assert "Traceback" not in answer.text


def test_a_page_of_ours_may_open_a_socket(production: ChatServer, alice: str) -> None:
    with open_socket(production.url, OURS, alice) as alices:
        assert '"chat.history"' in str(alices.recv(20))


@pytest.mark.parametrize("origin", [FOREIGN, f"http://{HOST}", f"{OURS}:444", "null"])
def test_a_foreign_page_may_not(production: ChatServer, alice: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_socket(production.url, origin, alice)
    assert refused.value.response.status_code == 403


def test_static_files_are_served_without_nginx_too(production: ChatServer) -> None:
    page = get(production.url, "/accounts/sign-in/")
    (sheet, *_) = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    assert re.search(r"\.[0-9a-f]{12}\.css$", sheet)
    answer = get(production.url, sheet)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


def test_without_a_trusted_proxy_nobody_says_who_they_are(start_server: StartServer) -> None:
    server = start_server(
        env={
            "CHAT_GUESTS_PER_ADDRESS": "1/hour",
            "TRUSTED_PROXY": "off",
            "DJANGO_SETTINGS_MODULE": "core.settings",  # an image has no tests
        }
    )
    headers = [{"X-Real-IP": f"198.51.100.{n}"} for n in (1, 2)]
    answers = [httpx.get(f"{server.url}/chat/lobby/", headers=one) for one in headers]
    assert [answer.status_code for answer in answers] == [200, 429]


def test_wrong_settings_are_said_before_it_listens(image: Path) -> None:
    wrong = {"SECRET_KEY": "short", "ALLOWED_HOSTS": "", "CHAT_HISTORY_PAGE": "101"}
    done = subprocess.run(
        [sys.executable, "-m", "core.server"],
        cwd=image,
        env={**os.environ, "DEBUG": "off", **wrong},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("core.server: ")]
    assert [line.split()[1] for line in errors] == ["(core.E001)", "(core.E008)", "(core.E016)"]
    assert "Traceback" not in done.stderr
