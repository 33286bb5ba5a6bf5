"""Where to serve: HOST and PORT."""

import errno
import os
import socket
from ipaddress import ip_address

from core.errors import Problem

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", "8000"


def chosen() -> tuple[str, int]:
    """Return HOST and PORT from the environment; by default only this machine can connect."""
    host = os.environ.get("HOST") or DEFAULT_HOST
    port = os.environ.get("PORT") or DEFAULT_PORT
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise Problem(f"PORT is {port!r}; it must be a number from 1 to 65535.")
    return host.strip("[]"), int(port)


def url(host: str, port: int) -> str:
    """Return the address to type into a browser."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ensure_free(host: str, port: int) -> None:
    """Raise a Problem where this address cannot be listened on now."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                f"Port {port} on {host} is in use. Stop the program that uses it, "
                f"or choose another port: make run PORT={port % 65_535 + 1}"
            ) from error
        raise Problem(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Check HOST and PORT."
        ) from error
