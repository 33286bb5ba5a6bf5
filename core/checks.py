"""Fail at start: settings that are wrong, or contradict each other, say so before anybody notices.

`manage.py` runs these before most commands, and `python -m core.server` before it serves.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks  # noqa: A004
from limits import parse

from core import address
from core.errors import Problem

logger = logging.getLogger(__name__)

SECRET_KEY_LEAST = 32  # characters; who guesses it forges what we sign
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", ".localhost", "testserver"}
WIDEST = 4  # bytes of a character in UTF-8; a client that escapes it as \uXXXX needs 6 or 12
ESCAPED = 6  # bytes of a control character in JSON
ENVELOPE = 256  # bytes around a message in the frame that a client sends …
STATE = 4_096  # … and in one that the server sends: names, times, reactions
DAPHNE_FRAME_MAX = 1_048_576  # bytes; over it Daphne ends the connection with 1011
LEASE_IN_RENEWALS = 2.5  # one that fails is tried again each second, for one turn and a half
AT_LEAST_1 = (
    *("CHAT_MESSAGE_MAX", "CHAT_FRAME_IN_MAX", "CHAT_FRAME_OUT_MAX", "CHAT_HISTORY_PAGE"),
    *("CHAT_HISTORY_MAX", "CHAT_CATCH_UP_MAX", "CHAT_RATE_SECONDS", "CHAT_RATE_BURST"),
    *("CHAT_CONNECTIONS_MAX", "CHAT_BAD_FRAMES_MAX", "CHAT_OUTBOX_FRAMES", "CHAT_OUTBOX_BYTES"),
    *("CHAT_WRITER_QUEUE", "PRESENCE_LEASE_SECONDS", "PRESENCE_RENEW_SECONDS"),
)
AT_LEAST_0 = (
    *("CHAT_RATE_MESSAGES", "CHAT_FRAMES_PER_SECOND", "PRESENCE_GRACE_SECONDS"),
    *("PRESENCE_GATHER_SECONDS", "PRESENCE_LIST_MAX", "PRESENCE_SHOWN", "PRESENCE_COUNT_SECONDS"),
)


class Check(Protocol):
    def __call__(self, app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]: ...


def check(function: Callable[[], Iterator[CheckMessage]]) -> Check:
    """Register a generator of messages, which needs to know nothing but the settings."""

    def listed(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
        return list(function())

    return register(listed)


def refuse_what_is_wrong() -> None:
    """Raise a Problem with a line for each error; log the warnings."""
    messages = sorted(run_checks(), key=lambda message: message.id or "")
    for message in messages:
        if not message.is_serious():
            logger.warning("%s", _line(message))
    errors = [_line(message) for message in messages if message.is_serious()]
    if errors:
        raise Problem("\n".join(errors))


def _line(message: CheckMessage) -> str:
    return " ".join(part for part in (f"({message.id})", message.msg, message.hint) if part)


@check
def hosts() -> Iterator[CheckMessage]:
    if not settings.DEBUG and not settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS is empty: every request would be refused.",
            hint="Set it to the names that people type, as ALLOWED_HOSTS=chat.example.org.",
            id="core.E001",
        )
    for name in settings.ALLOWED_HOSTS:
        if not re.fullmatch(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]", name):
            yield Error(
                f"{name!r} in ALLOWED_HOSTS is not the name of a host.",
                hint="Write the name alone, without https:// and without a port, as "
                "chat.example.org. (ORIGINS wants them.)",
                id="core.E017",
            )
    if not settings.DEBUG and "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            'ALLOWED_HOSTS has "*": another site can point its own name here, and its pages pass '
            "for ours.",
            hint="List the names that people type.",
            id="core.W001",
        )
    seen_as = _seen_by_others()
    if settings.DEBUG and seen_as:
        yield Warning(
            f"DEBUG is on, and others can reach it ({seen_as}): errors show the code and settings.",
            hint="Set DEBUG=off, unless everybody on this network may see them.",
            id="core.W002",
        )


def _seen_by_others() -> str:
    host = os.environ.get("HOST") or address.DEFAULT_HOST
    names = [name for name in settings.ALLOWED_HOSTS if name not in LOCAL_HOSTS]
    if not address.is_loopback(host.strip("[]")):
        return f"HOST={host}"
    return f"ALLOWED_HOSTS={','.join(names)}" if names else ""


@check
def origins() -> Iterator[CheckMessage]:
    if not settings.DEBUG and not settings.ORIGINS:
        yield Warning(
            "ORIGINS is empty: a page may open sockets and send forms only if the proxy passes on "
            "the name that the page was found under, and its port.",
            hint="Set it to where people find the chat, as ORIGINS=https://chat.example.org.",
            id="core.W004",
        )
    for origin in settings.ORIGINS:
        if not _is_full_origin(origin):
            yield Error(
                f"{origin!r} in ORIGINS is not a full origin.",
                hint="Write scheme and host, and the port where there is one, and nothing more, "
                "as https://chat.example.org. There are no wildcards: each page that may act with "
                "a visitor's session is named.",
                id="core.E002",
            )
        elif settings.HTTPS and urlsplit(origin).scheme != "https":
            yield Error(
                f"{origin!r} in ORIGINS is not https, and HTTPS is on.",
                hint="Write https://…, or set HTTPS=off where there is no TLS in front.",
                id="core.E003",
            )


def _is_full_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    written = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    return (
        parts.scheme in ("http", "https")
        and bool(host)
        and "*" not in origin
        and written == origin.lower()
    )


@check
def secrets() -> Iterator[CheckMessage]:
    if not settings.DEBUG and len(settings.SECRET_KEY) < SECRET_KEY_LEAST:
        yield Error(
            f"SECRET_KEY is shorter than {SECRET_KEY_LEAST} characters: it can be guessed.",
            hint='Make one: python3 -c "import secrets; print(secrets.token_urlsafe(48))"',
            id="core.E016",
        )
    if settings.HTTPS and not settings.DEBUG and not settings.TRUSTED_PROXY:
        yield Warning(
            "HTTPS is on, so a proxy stands in front; TRUSTED_PROXY is off, so everybody seems to "
            "come from its address, and limits for each address count all people together.",
            hint="Have the proxy set X-Real-IP itself, then set TRUSTED_PROXY=on.",
            id="core.W003",
        )


@check
def services() -> Iterator[CheckMessage]:
    from chat.reading import READERS

    if not settings.REDIS_URL.startswith(("redis://", "rediss://")):
        yield Error(
            "REDIS_URL is not an address of Redis.",
            hint="Write redis://HOST:6379/0, or rediss://… for TLS.",
            id="core.E004",
        )
    if settings.REDIS_CLUSTER and urlsplit(settings.REDIS_URL).path not in ("", "/", "/0"):
        yield Error(
            "REDIS_URL names a database, and REDIS_CLUSTER is on: a cluster has only the first.",
            hint="Write redis://HOST:6379/0.",
            id="core.E018",
        )
    least = READERS + 2
    pool = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    if pool < least:
        yield Error(
            f"DATABASE_POOL_SIZE is {pool}: threads would wait for each other's connections.",
            hint=f"It must be {least} or more: {READERS} readers, the writer, and the pages.",
            id="core.E005",
        )


@check
def limits() -> Iterator[CheckMessage]:
    for least, names in ((1, AT_LEAST_1), (0, AT_LEAST_0)):
        for name in names:
            value = getattr(settings, name)
            if not value >= least:
                yield Error(f"{name} is {value}; it must be {least} or more.", id="core.E006")
    for name in ("CHAT_GUESTS_PER_ADDRESS", "CHAT_SIGN_UPS_PER_ADDRESS"):
        if not _is_rate(getattr(settings, name)):
            yield Error(
                f"{name} is {getattr(settings, name)!r}, which is no rate.",
                hint="Write a number a time, as 60/minute or 10/hour; empty is no limit.",
                id="core.E007",
            )
    if settings.CHAT_HISTORY_PAGE > settings.CHAT_HISTORY_MAX:
        yield Error(
            f"CHAT_HISTORY_PAGE ({settings.CHAT_HISTORY_PAGE}) is over CHAT_HISTORY_MAX "
            f"({settings.CHAT_HISTORY_MAX}).",
            hint="A page is what comes unasked; the maximum is what a client may ask for.",
            id="core.E008",
        )


def _is_rate(text: str) -> bool:
    try:
        return not text or bool(parse(text))
    except ValueError:
        return False


@check
def sizes() -> Iterator[CheckMessage]:
    from chat.models.message import BODY_MAX

    message, frame_in = settings.CHAT_MESSAGE_MAX, settings.CHAT_FRAME_IN_MAX
    frame_out, outbox = settings.CHAT_FRAME_OUT_MAX, settings.CHAT_OUTBOX_BYTES
    if message > BODY_MAX:
        yield Error(
            f"CHAT_MESSAGE_MAX is {message:,}; the database takes at most {BODY_MAX:,} characters.",
            id="core.E009",
        )
    if frame_in < (least := WIDEST * message + ENVELOPE):
        yield Error(
            f"CHAT_FRAME_IN_MAX is {frame_in:,} bytes, too little for a message of "
            f"{message:,} characters in UTF-8.",
            hint=f"Make it {least:,} or more, or CHAT_MESSAGE_MAX smaller. Clients that escape "
            "what is not ASCII need up to three times as much.",
            id="core.E010",
        )
    least = ESCAPED * BODY_MAX + STATE
    if not least <= frame_out <= DAPHNE_FRAME_MAX:
        yield Error(
            f"CHAT_FRAME_OUT_MAX is {frame_out:,} bytes.",
            hint=f"It must be from {least:,}, for the longest message that an import may bring, to "
            f"{DAPHNE_FRAME_MAX:,}, where Daphne ends the connection.",
            id="core.E011",
        )
    if outbox < frame_out:
        yield Error(
            f"CHAT_OUTBOX_BYTES ({outbox:,}) is under CHAT_FRAME_OUT_MAX ({frame_out:,}): one "
            "frame would end the connection.",
            id="core.E012",
        )


@check
def presence() -> Iterator[CheckMessage]:
    lease, renew = settings.PRESENCE_LEASE_SECONDS, settings.PRESENCE_RENEW_SECONDS
    if lease < LEASE_IN_RENEWALS * renew:
        yield Error(
            f"PRESENCE_LEASE_SECONDS ({lease}) is under {LEASE_IN_RENEWALS} times "
            f"PRESENCE_RENEW_SECONDS ({renew}).",
            hint="The difference is how long Redis may be away before people are shown as gone.",
            id="core.E013",
        )
    if settings.PRESENCE_GRACE_SECONDS >= lease:
        yield Error(
            f"PRESENCE_GRACE_SECONDS ({settings.PRESENCE_GRACE_SECONDS}) is not under "
            f"PRESENCE_LEASE_SECONDS ({lease}).",
            hint="The grace is for who left; the lease is for who was cut off.",
            id="core.E014",
        )
    if settings.PRESENCE_SHOWN > settings.PRESENCE_LIST_MAX:
        yield Error(
            f"PRESENCE_SHOWN ({settings.PRESENCE_SHOWN}) is over PRESENCE_LIST_MAX "
            f"({settings.PRESENCE_LIST_MAX}).",
            hint="In a big room fewer people are named than in a small one, not more.",
            id="core.E015",
        )
