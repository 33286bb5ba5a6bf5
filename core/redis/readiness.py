"""Whether the Redis that REDIS_URL names can be used: it lets us in, and is of the right kind."""

import errno
import logging
import socket
import ssl
from contextlib import suppress
from functools import cache
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from core.environment import service_url
from core.errors import Problem

logger = logging.getLogger(__name__)

WITHIN = 1.0  # seconds that it may take to answer
# Changes nothing. But it does not say so, and is refused wherever a script that writes is.
MIGHT_WRITE = "#!lua\nreturn 1"
# Codes of errors: its disk takes no snapshot, or too few replicas follow it.
NO_WRITES = ("MISCONF", "NOREPLICAS")
# What a name that is no file's fails with. OSError has no class for some of them.
NO_FILE = {
    *(errno.ENOENT, errno.EACCES, errno.EISDIR),
    *(errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
}


class Unusable(RedisError):
    """It answers, and cannot be used. The text says why, and what to do, and has no secret."""


def ensure_usable() -> None:
    """Raise a Problem where it answers and cannot be used. That it is away is only logged: it may
    come, and the chat goes on without."""
    url = service_url.redis(settings.REDIS_URL)
    try:
        ask()
    except Unusable as error:
        raise Problem(str(error)) from None
    except (RedisError, OSError) as error:
        if url.has_tls and _answers_without_tls(url):
            why = "it does not speak TLS there. Write redis:// in REDIS_URL, or its port for TLS."
            raise Problem(f"The Redis at {url.place} cannot be used: {why}") from None
        if word_of(error) == "away":
            warning = (
                "No connection to Redis at %s (%s). The chat goes on without it, a little slower, "
                "and shows nobody as online. Start it, or correct REDIS_URL."
            )
        else:
            warning = (
                "The Redis at %s takes no writes (%s). The chat goes on, and shows nobody who "
                "comes as online. Give it room, or what it asks for."
            )
        logger.warning(warning, url.place, error)


def ask() -> None:
    """Ask it who it is, and whether it takes writes. Raises Unusable, or another RedisError or
    OSError that passes: `word_of` tells what is wrong."""
    url = service_url.redis(settings.REDIS_URL)
    client = _client(settings.REDIS_URL)
    try:
        why = _wrong_kind(_pairs(client.execute_command("HELLO")))
        if not why:
            with suppress(ReadOnlyError):  # a replica in a cluster leads to its primary
                client.eval(MIGHT_WRITE, 0)
    except (RedisError, OSError) as error:
        why = _why_not(error, url)
        if not why:
            raise
    if why:
        raise Unusable(f"The Redis at {url.place} cannot be used: {why}")


def word_of(error: Exception) -> str:
    """What the error of a Redis that cannot do its work now says, as PostgreSQL's failures do."""
    if isinstance(error, OutOfMemoryError):
        return "full"
    if str(error).startswith(NO_WRITES):
        return "read-only"
    return "away"


def _answers_without_tls(url: service_url.RedisUrl) -> bool:
    """Where TLS begins, such a Redis waits for the end of a line, and says nothing."""
    try:
        with socket.create_connection((url.host, url.port), WITHIN) as plain:
            plain.sendall(b"PING\r\n")
            return plain.recv(1) in (b"+", b"-")  # one with a password answers with an error
    except OSError:
        return False


def _why_not(error: Exception, url: service_url.RedisUrl) -> str:
    """Why the error means more than that it is away, or ''. Errors' own texts may repeat a secret:
    a server that does not know AUTH names what came with it."""
    causes = (error, error.__cause__, error.__context__)
    why = ""
    match error:
        case BusyLoadingError():  # it reads its data: that takes a moment
            pass
        case _ if word_of(error) != "away":  # that passes too
            pass
        case AuthenticationError() if url.password:
            why = "it refuses the password (or the user's name) in REDIS_URL."
        case AuthenticationError():
            why = "it wants a password. Write redis://:PASSWORD@HOST:PORT/0 in REDIS_URL."
        case NoPermissionError():
            why = "the user in REDIS_URL may not use its commands."
        case InvalidResponse():
            why = "it does not speak the protocol of Redis. Is the port in REDIS_URL right?"
        case ResponseError() if url.database:
            why = f"it has no database {url.database}, or refuses it. Correct REDIS_URL."
        case ResponseError():
            why = "it does not know our commands. Is it Redis 7 or Valkey?"
        case _ if any(isinstance(cause, ssl.SSLError) for cause in causes):
            why = (
                "TLS fails: its certificate is not trusted, or not for that name. Correct it, name "
                "its CA (rediss://…?ssl_ca_certs=FILE), or write redis:// where it has no TLS."
            )
        case _ if any(isinstance(cause, OSError) and cause.errno in NO_FILE for cause in causes):
            why = "a file that the options of REDIS_URL name is not there, or may not be read."
    return why


def _wrong_kind(answer: dict[str, str]) -> str:
    mode, role = answer.get("mode"), answer.get("role")
    if mode == "sentinel":
        return "it is a Sentinel. Set REDIS_URL to the Redis that it watches."
    if mode == "cluster" and not settings.REDIS_CLUSTER:
        return "it is a node of a cluster. Set REDIS_CLUSTER=on."
    if mode == "standalone" and settings.REDIS_CLUSTER:
        return "it is no node of a cluster. Set REDIS_CLUSTER=off."
    if role in ("replica", "slave") and not settings.REDIS_CLUSTER:
        return "it is a replica, which nobody may write to. Set REDIS_URL to its primary."
    return ""


def _pairs(answer: Any) -> dict[str, str]:
    """HELLO answers with a map, or a list of names and values, as the protocol's version has it."""
    if not isinstance(answer, dict):
        answer = dict(zip(answer[::2], answer[1::2], strict=True))
    pairs = {}
    for name, value in answer.items():
        if isinstance(name, bytes) and isinstance(value, bytes):
            pairs[name.decode()] = value.decode()
    return pairs


@cache
def _client(url: str) -> Redis:
    once_more = Retry(NoBackoff(), 1)  # a connection that was kept may have been cut
    return Redis.from_url(
        url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN, retry=once_more
    )
