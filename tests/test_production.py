"""The chat as docker-compose.yml and the Dockerfile would run it, less the containers.

The folder of the image, made as the Dockerfile makes it; the services' own commands and variables;
real PostgreSQL and Valkey; a real nginx in front with the configuration of production.
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
        "CHAT_GUESTS_PER_ADDRESS": "1/hour",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "HOST", "PORT"):  # the places are the test's
        del env[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "ROOT", image)
        with servers.chat_server(template_database, env=env) as server:
            yield server


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory, image: Path) -> Path:
    """The volume, filled by the service `static`."""
    directory = tmp_path_factory.mktemp("static")
    env = deployment.environment("static") | {"STATIC_ROOT": str(directory)}
    deployment.run(deployment.SERVICES["static"]["command"], image, env)
    return directory


@pytest.fixture(scope="module")
def proxy(production: ChatServer, static: Path) -> Iterator[str]:
    """The service `nginx`."""
    web = production.url.removeprefix("http://")
    try:
        with nginx.nginx(web, static, trusted=f"{OUTER_PROXY}/32") as url:
            yield url
    except nginx.NoNginx as error:
        pytest.fail(str(error), pytrace=False)


def get(url: str, path: str, *, come_from: str = "127.0.0.1", **headers: str) -> httpx.Response:
    """GET as seen by a browser that found us by https; `X_Real_IP=…` is a header."""
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.HTTPTransport(local_address=come_from)
    with httpx.Client(transport=transport, timeout=30) as client:
        return client.get(url + path, headers=BY_HTTPS | written)


@pytest.fixture(scope="module")
def alice(production: ChatServer) -> str:
    """The cookies of alice, signed in through the form."""
    page = get(production.url, "/accounts/sign-in/")
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    answer = httpx.post(
        f"{production.url}/accounts/sign-in/",
        data={"username": "alice", "password": "demo", "csrfmiddlewaretoken": token},
        headers=BY_HTTPS | {"Origin": OURS, "Cookie": f"csrftoken={page.cookies['csrftoken']}"},
    )
    assert answer.status_code == 302, answer.text
    assert "Secure" in answer.headers["set-cookie"]
    return f"sessionid={answer.cookies['sessionid']}"


def open_socket(url: str, origin: str, cookies: str = "", **headers: str) -> ClientConnection:
    place = urlsplit(url)
    return connect(
        f"ws://{HOST}/ws/chat/lobby/",
        sock=socket.create_connection((place.hostname, place.port)),
        origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookies, "X-Forwarded-Proto": "https", **headers},
        proxy=None,
    )


# -- the server -------------------------------------------------------------------------------


def test_the_commands_before_the_server_work_on_an_empty_database(
    image: Path, template_database: str
) -> None:
    with databases._created("template0") as url:
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
    server = start_server(env={"CHAT_GUESTS_PER_ADDRESS": "1/hour", "TRUSTED_PROXY": "off"})
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


# -- nginx before it --------------------------------------------------------------------------


def test_nginx_passes_pages_and_sockets_on(proxy: str, alice: str) -> None:
    answer = get(proxy, "/chat/lobby/", come_from=OUTER_PROXY, Cookie=alice)
    assert answer.status_code == 200
    assert answer.headers["server"] == "nginx"
    with open_socket(proxy, OURS, alice) as socket_:
        assert '"chat.history"' in str(socket_.recv(20))
        socket_.send('{"message": "through nginx", "client_id": null}')
        for frame in socket_:
            if '"through nginx"' in str(frame):
                break
    with pytest.raises(InvalidStatus) as refused:
        open_socket(proxy, FOREIGN, alice)
    assert refused.value.response.status_code == 403


def test_nginx_hands_out_the_static_files_itself(
    proxy: str, static: Path, production: ChatServer
) -> None:
    page = get(production.url, "/accounts/sign-in/")
    (sheet, *_) = re.findall(r'href="/static/([^"]+\.css)"', page.text)
    answer = get(proxy, f"/static/{sheet}", Accept_Encoding="gzip")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    if (static / f"{sheet}.gz").exists():
        assert answer.headers["content-encoding"] == "gzip"
    plain = re.sub(r"\.[0-9a-f]{12}\.", ".", sheet)
    assert get(proxy, f"/static/{plain}").headers["cache-control"] == "no-cache"
    (script,) = static.glob("chat/js/room.*.js")
    answer = get(proxy, f"/static/chat/js/{script.name}")
    assert "javascript" in answer.headers["content-type"]

    (static / "only-here.txt").write_text("from the volume")
    assert get(proxy, "/static/only-here.txt").text == "from the volume"
    assert get(proxy, "/static/staticfiles.json").status_code == 404
    assert get(proxy, "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd").status_code == 400


def test_each_client_is_counted_by_its_own_address(proxy: str, alice: str) -> None:
    def new_room(name: str, come_from: str, **headers: str) -> int:
        return get(
            proxy, f"/chat/{name}/", come_from=come_from, Cookie=alice, **headers
        ).status_code

    spoofed = {
        "X_Real_IP": "198.51.100.1",
        "X_Forwarded_For": "198.51.100.1",
        "Forwarded": "for=198.51.100.1",
    }
    # By themselves: plain http, as nginx sees it, whatever they say.
    assert new_room("early", "127.0.0.2", **spoofed) == 301
    # Behind the proxy that ends TLS: it says for whom it speaks.
    behind = "198.51.100.7"
    assert new_room("one", OUTER_PROXY, X_Forwarded_For=behind) == 200
    assert new_room("two", OUTER_PROXY, X_Forwarded_For=behind) == 429
    # What a client put into the header before the proxy added its address does not count.
    assert new_room("three", OUTER_PROXY, X_Forwarded_For=f"198.51.100.8, {behind}") == 429
    assert new_room("four", OUTER_PROXY, X_Forwarded_For="198.51.100.9", X_Real_IP=behind) == 200


def test_nginx_takes_out_what_daphne_would_believe(proxy: str, production: ChatServer) -> None:
    root = {"Daphne_Root_Path": "/elsewhere"}
    believed = get(production.url, "/chat/", **root).headers["location"]
    assert believed.startswith("/elsewhere/"), "Daphne no longer believes it: this proves nothing"
    answer = get(proxy, "/chat/", come_from=OUTER_PROXY, X_Forwarded_For="198.51.100.1", **root)
    assert answer.headers["location"].startswith("/accounts/")


def test_nginx_has_limits_of_its_own(proxy: str) -> None:
    place = urlsplit(proxy)
    answer = httpx.post(f"{proxy}/accounts/sign-in/", content=b"x" * 1_100_000)
    assert answer.status_code == 413
    with socket.create_connection((place.hostname, place.port)) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000)
        assert b" 400 " in one.recv(100)


def test_a_server_that_is_away_is_a_502_and_static_files_still_come(static: Path) -> None:
    with nginx.nginx(f"127.0.0.1:{nginx.free_port()}", static) as url:
        assert get(url, "/chat/").status_code == 502
        assert get(url, "/static/chat/favicon.svg").status_code == 200
