"""A real nginx in front of the chat, with the configuration of production."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.support import debian, deployment, nginx
from tests.support.servers import ChatServer
from tests.test_production import (
    FOREIGN,
    HOST,
    OURS,
    OUTER_PROXY,
    alice,
    get,
    image,
    open_socket,
    production,
)

__all__ = ["alice", "image", "production"]  # fixtures


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
    except debian.NotHere as error:
        pytest.fail(str(error), pytrace=False)


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
    (script,) = static.glob("chat/js/pages/room.*.js")
    answer = get(proxy, f"/static/chat/js/pages/{script.name}")
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


@pytest.mark.parametrize("spelling", ["/healthz", "/%68ealthz", "//healthz", "/x/../healthz?a=b"])
@pytest.mark.parametrize("come_from", ["127.0.0.1", OUTER_PROXY])
def test_how_we_are_is_not_said_out_there(
    proxy: str, production: ChatServer, spelling: str, come_from: str
) -> None:
    place = urlsplit(proxy)
    for path in (spelling, spelling.replace("healthz", "livez").replace("%68ealthz", "%6civez")):
        request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Proto: https\r\n"
        with socket.create_connection(
            (place.hostname, place.port), timeout=30, source_address=(come_from, 0)
        ) as one:
            one.sendall(f"{request}Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: one.recv(65_536), b""))
        assert answer.split(b" ")[1] in (b"404", b"301"), path
        assert b"status" not in answer.partition(b"\r\n\r\n")[2]
    # A server that is asked by itself says it; one that another proxy passes on to does not.
    assert httpx.get(f"{production.url}/healthz").json()["postgresql"] == "ok"
    assert get(production.url, "/healthz", X_Real_IP="203.0.114.9").status_code == 404


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
