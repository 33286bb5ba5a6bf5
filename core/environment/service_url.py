"""Addresses of PostgreSQL and Redis, taken apart strictly: what has two readings is refused.

An unescaped "#", "?" or "/" in a password ends the host for urlsplit; the rest is then taken for a
database or dropped, and what was the password is a port in the text of an error.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv6Address
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import psycopg
from psycopg.conninfo import make_conninfo
from redis import Redis
from redis.exceptions import RedisError

SHAPE = re.compile(
    r"(?P<scheme>[a-z]+)://"
    r"(?:(?P<user>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?"
    r"(?P<hosts>[^/?#@]*)"
    r"(?:/(?P<path>[^?#@]*))?"
    r"(?:\?(?P<query>[^#]*))?"
)
HOST = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<name>[\w.-]*|%2[Ff][\w.%-]*))(?::(?P<port>\d+))?")
STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
OPTION = re.compile(r"[a-z_]+")
DATABASE_NAME_MOST = 63  # characters
HOST_MOST = 253  # characters
WHOLE = re.compile(r"[0-9]{1,9}")
FILE = re.compile(r"[^\0\r\n]+")
SECONDS = re.compile(r"(?=.*[1-9])[0-9]{1,3}(\.[0-9]{1,3})?")
# Of redis-py's options those that all of our clients and layers take, and that change nothing they
# rest on. Not socket_timeout: each has its own, and one of five seconds or less ends a wait for
# messages in the layer `default`.
REDIS_OPTIONS = {
    "client_name": re.compile(r"[!-~]{1,100}"),
    "db": WHOLE,
    "health_check_interval": WHOLE,
    "socket_connect_timeout": SECONDS,
    "socket_keepalive": re.compile(r"(?i)yes|no|true|false|1|0"),
    "ssl_ca_certs": FILE,
    "ssl_cert_reqs": re.compile(r"none|optional|required"),
    "ssl_certfile": FILE,
    "ssl_check_hostname": re.compile(r"(?i)yes|no|true|false|1|0"),
    "ssl_keyfile": FILE,
}
# libpq looks at the values of these only as it connects.
POSTGRESQL_NUMBERS = {
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
}
ESCAPES = (
    "In a user's name and a password write # ? / : @ % as %23 %3F %2F %3A %40 %25, and no spaces."
)


class NoAddress(Exception):
    """A text is not the address that it should be. It says no more: there is a secret in it."""


class RedisUrl(NamedTuple):
    user: str
    password: str
    host: str
    port: int
    database: int
    has_tls: bool

    @property
    def place(self) -> str:
        """Where it is, to be shown to people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def redis(text: str) -> RedisUrl:
    """Take apart redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER][?OPTIONS]."""
    with _told_without_the_text():
        url = _Url.parse(text, ("redis", "rediss"))
        ((host, port),) = url.hosts
        in_options = url.options.get("db")
        if not host or host.startswith("/") or (url.path and in_options):
            raise ValueError
        database = in_options or url.path or "0"
        if not WHOLE.fullmatch(database):  # redis-py takes others for 0
            raise ValueError
        for name, value in url.options.items():
            if not REDIS_OPTIONS[name].fullmatch(value):
                raise ValueError
        if "ssl_keyfile" in url.options and "ssl_certfile" not in url.options:
            raise ValueError
        Redis.from_url(text).connection_pool.make_connection()  # raises for TLS's without TLS
        tls = text.startswith("rediss:")
        return RedisUrl(url.user, url.password, host, port or 6379, int(database), tls)


def postgresql(text: str) -> dict[str, Any]:
    """Take apart postgres[ql]://[USER[:PASSWORD]@][HOST[:PORT],…]/NAME[?OPTIONS] for Django.

    The folder of a socket is written as a HOST (%2Fvar%2Frun), before the NAME (//var/run/NAME), or
    as the option `host`.
    """
    with _told_without_the_text():
        url = _Url.parse(text, ("postgres", "postgresql"))
        folder, _, name = url.path.rpartition("/")
        hosts = [host for host, _ in url.hosts]
        if folder and folder.startswith("/") and hosts == [""]:
            hosts = [folder]
        elif folder:
            raise ValueError
        if not 0 < len(name) <= DATABASE_NAME_MOST:
            raise ValueError
        make_conninfo(**url.options)  # raises for options that libpq has not
        for option in POSTGRESQL_NUMBERS & {*url.options}:
            if not WHOLE.fullmatch(url.options[option]):
                raise ValueError
        for host in url.options.get("host", "").split(","):
            _ensure_host(host)
        ports = [str(port or "") for _, port in url.hosts]
        return {
            "NAME": name,
            "USER": url.user,
            "PASSWORD": url.password,
            "HOST": ",".join(hosts),
            "PORT": ",".join(ports) if any(ports) else "",
            "OPTIONS": dict(url.options),
        }


@contextmanager
def _told_without_the_text() -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, psycopg.Error, RedisError):
        raise NoAddress from None


class _Url(NamedTuple):
    user: str
    password: str
    hosts: list[tuple[str, int | None]]
    path: str
    options: dict[str, str]

    @classmethod
    def parse(cls, text: str, schemes: Sequence[str]) -> "_Url":
        parts = SHAPE.fullmatch(text)
        if not parts or parts["scheme"] not in schemes:
            raise ValueError
        if STRAY_PERCENT.search(text) or re.search(r"\s", text):
            raise ValueError
        return cls(
            unquote(parts["user"] or "", errors="strict"),
            unquote(parts["password"] or "", errors="strict"),
            [_host(one) for one in parts["hosts"].split(",")],
            unquote(parts["path"] or "", errors="strict"),
            _options(parts["query"]),
        )


def _host(text: str) -> tuple[str, int | None]:
    found = HOST.fullmatch(text)
    if not found:
        raise ValueError
    if found["ipv6"] is not None:
        IPv6Address(unquote(found["ipv6"]))
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError
    host = unquote(found["ipv6"] or found["name"])
    _ensure_host(host)
    return host, port


def _ensure_host(host: str) -> None:
    """Raise ValueError for what is no name of a host, nor the folder of a socket."""
    if host and not host.startswith("/"):
        host.encode("idna")  # raises UnicodeError, which is one
        if len(host) > HOST_MOST:
            raise ValueError


def _options(query: str | None) -> dict[str, str]:
    if query is None:
        return {}
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    options = dict(pairs)
    if len(options) < len(pairs) or not all(OPTION.fullmatch(name) for name in options):
        raise ValueError
    return options
