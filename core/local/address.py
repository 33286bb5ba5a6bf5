"""Where to serve: HOST and PORT."""

import argparse
import errno
import os
import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from core.errors import Problem

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", "8000"
NAME = re.compile(r"[\w.-]{1,253}|\[?[0-9A-Fa-f:.]+(%[\w.-]+)?\]?")


def chosen() -> tuple[str, int]:
    """Return HOST and PORT from the environment; by default only this machine can connect."""
    host = os.environ.get("HOST", "").strip() or DEFAULT_HOST
    port = os.environ.get("PORT", "").strip() or DEFAULT_PORT
    if not NAME.fullmatch(host):
        raise Problem("HOST must be the name or address of this machine alone, as 127.0.0.1.")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise Problem("PORT must be a number from 1 to 65535.")
    return host.strip("[]"), int(port)


def choose_as_runserver(arguments: Sequence[str]) -> None:
    """Put what `manage.py runserver ARGUMENTS` names into HOST and PORT."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("addrport", nargs="?")
    parser.add_argument("-6", "--ipv6", action="store_true")
    for option in ("--settings", "--pythonpath"):  # their values are no addresses
        parser.add_argument(option)
    named, _ = parser.parse_known_args(arguments)
    choose(named.addrport, ipv6=named.ipv6)


def choose(addrport: str | None, *, ipv6: bool) -> None:
    """Put into HOST and PORT what Django's `runserver` takes: "8001", "0.0.0.0:8000", "[::1]:8000",
    "localhost:8000" or nothing. `ipv6` (-6): an address of IPv6. Raises Problem."""
    from django.core.management.commands.runserver import naiveip_re

    match = re.match(naiveip_re, addrport or os.environ.get("PORT") or DEFAULT_PORT)
    if match is None:
        raise Problem(f"{addrport!r} is no port, and no ADDRESS:PORT, as 8001 or 0.0.0.0:8000.")
    host, ipv4, _, name, port = match.groups()
    if ipv6 and ipv4:
        raise Problem(f"{ipv4} is no address of IPv6, and -6 asks for one.")
    if host == "0":
        host = "0.0.0.0"  # noqa: S104 - that is what it is short for
    elif ipv6 and (name or not host):
        host = _ipv6_of(name or "::1")
    if host:
        os.environ["HOST"] = host
    if addrport:
        os.environ["PORT"] = port


def _ipv6_of(name: str) -> str:
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET6)[0][4][0])
    except OSError as error:
        raise Problem(f"{name} has no address of IPv6: {error.strerror}.") from error


def url(host: str, port: int) -> str:
    """Return the address to type into a browser."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ensure_free(host: str, port: int, *, command: str = "make run PORT=") -> None:
    """Raise a Problem where this address cannot be listened on now. `command` takes another port
    behind it, as "make run PORT="."""
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
                f"or choose another port: {command}{port % 65_535 + 1}"
            ) from error
        raise Problem(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Check HOST and PORT."
        ) from error
