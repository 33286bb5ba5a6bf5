"""Which pages may open a socket: this site's own, those in ORIGINS, and whatever is no browser."""

from typing import Any

import httpx
import pytest
from pytest_django import Settings
from websockets.exceptions import InvalidStatus

from core.web.origins import is_own_origin
from tests.conftest import StartServer
from tests.support.servers import ChatServer
from tests.support.sockets import Client


def scope(origin: str | None, host: str = "chat.example.org") -> Any:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    return {"headers": headers}


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.org", "localhost"]
    settings.ORIGINS = ["https://app.example.com", "https://Other.example.com:8443"]
    settings.HTTPS = True


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "chat.example.org"),
        (None, "evil.example"),
        ("https://chat.example.org", "chat.example.org"),
        ("https://chat.example.org", "CHAT.example.org"),
        ("https://localhost:8000", "localhost:8000"),
        ("https://app.example.com", "chat.example.org"),
        ("https://other.example.com:8443", "chat.example.org"),
    ],
)
def test_these_may(origin: str | None, host: str) -> None:
    assert is_own_origin(scope(origin, host))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "chat.example.org"),
        ("https://evil.example", "evil.example"),  # a name that leads here, by rebinding
        ("http://chat.example.org", "chat.example.org"),  # a page that somebody on the way wrote
        ("https://chat.example.org:8443", "chat.example.org"),
        ("https://chat.example.org", "chat.example.org:8443"),
        ("https://chat.example.org.evil.example", "chat.example.org"),
        ("https://evil.example/chat.example.org", "chat.example.org"),
        ("https://user@chat.example.org", "chat.example.org"),
        ("http://app.example.com", "chat.example.org"),
        ("https://app.example.com.evil.example", "chat.example.org"),
        ("https://sub.app.example.com", "chat.example.org"),
        ("https://other.example.com", "chat.example.org"),
        ("chat.example.org", "chat.example.org"),
        ("null", "chat.example.org"),
        ("", "chat.example.org"),
        ("*", "chat.example.org"),
        ("file://", "chat.example.org"),
        ("https://\xe9vil", "chat.example.org"),
    ],
)
def test_these_may_not(origin: str, host: str) -> None:
    assert not is_own_origin(scope(origin, host))


def test_in_development_the_pages_own_host_is_enough(settings: Settings) -> None:
    settings.HTTPS = False
    assert is_own_origin(scope("http://localhost:8000", "localhost:8000"))
    assert not is_own_origin(scope("http://localhost:9000", "localhost:8000"))


def test_a_server_refuses_a_foreign_page_with_403_and_takes_the_others(
    start_server: StartServer,
) -> None:
    server = start_server(env={"ORIGINS": "https://app.example.com"})
    session = httpx.get(f"{server.url}/chat/lobby/").cookies[server.cookie()]
    for origin in (None, server.url, "https://app.example.com"):
        with Client(server, "lobby", origin=origin, session=session) as client:
            assert client.next()["type"] == "chat.history"
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{server.port + 1}"):
        assert _status(server, origin) == 403


def _status(server: ChatServer, origin: str) -> int:
    with pytest.raises(InvalidStatus) as refused:
        Client(server, "lobby", origin=origin)
    return refused.value.response.status_code
