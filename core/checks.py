"""Fail at start: settings that are wrong, or contradict each other, say so before anybody notices.

`manage.py` runs these before most commands, and `python -m core.server` before it serves. What
must fit the chat's own constants is in chat/checks.py.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks  # noqa: A004
from limits import parse_many

from core.environment import dotenv, service_url
from core.errors import Problem
from core.local import address

logger = logging.getLogger(__name__)

SECRET_KEY_LEAST = 32  # characters; who guesses it forges what we sign
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", ".localhost", "testserver"}
LEASE_IN_RENEWALS = 2.5  # one that fails is tried again each second, for one turn and a half
YEAR = 366 * 86_400  # seconds
RATE_MOST = 1_000_000
OURS = ("CHAT_", "PRESENCE_")  # what our settings' names begin with, where others' may not


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
    for number, name in enumerate(settings.ALLOWED_HOSTS, 1):
        if not re.fullmatch(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]", name):
            yield Error(
                f"Entry {number} of ALLOWED_HOSTS is not the name of a host.",
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
            f"DEBUG is on, and {seen_as} lets others in: errors show the code and settings.",
            hint="Set DEBUG=off, unless everybody on this network may see them.",
            id="core.W002",
        )


def _seen_by_others() -> str:
    """Return the setting that lets them, or ''."""
    host = os.environ.get("HOST", "").strip() or address.DEFAULT_HOST
    if not address.is_loopback(host.strip("[]")):
        return "HOST"
    return "ALLOWED_HOSTS" if set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS else ""


@check
def origins() -> Iterator[CheckMessage]:
    if not settings.DEBUG and not settings.ORIGINS:
        yield Warning(
            "ORIGINS is empty: a page may open sockets and send forms only if the proxy passes on "
            "the name that the page was found under, and its port.",
            hint="Set it to where people find the chat, as ORIGINS=https://chat.example.org.",
            id="core.W004",
        )
    for number, origin in enumerate(settings.ORIGINS, 1):
        if not _is_full_origin(origin):
            yield Error(
                f"Entry {number} of ORIGINS is not a full origin.",
                hint="Write scheme and host, and the port where there is one, and nothing more, "
                "as https://chat.example.org. There are no wildcards: each page that may act with "
                "a visitor's session is named.",
                id="core.E002",
            )
        elif settings.HTTPS and urlsplit(origin).scheme != "https":
            yield Error(
                f"Entry {number} of ORIGINS is not https, and HTTPS is on.",
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
    if settings.REDIS_CLUSTER and service_url.redis(settings.REDIS_URL).database:
        yield Error(
            "REDIS_URL names a database, and REDIS_CLUSTER is on: a cluster has only the first.",
            hint="Write redis://HOST:6379/0.",
            id="core.E018",
        )


@check
def limits() -> Iterator[CheckMessage]:
    for name, (least, most) in settings.LIMITS.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            yield Error(f"{name} is {value}; it must be from {least} to {most:,}.", id="core.E006")
    for name in settings.RATES:
        if not _is_rate(getattr(settings, name)):
            yield Error(
                f"{name} is no rate.",
                hint="Write one number a time, as 60/minute or 10/hour, up to "
                f"{RATE_MOST:,} and a year; empty means no limit, and 0 would shut everybody out. "
                "To have no guests, set CHAT_GUESTS=off; to leave new rooms to moderators, set "
                "CHAT_NEW_ROOMS=moderators.",
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
    if not text:
        return True
    try:
        (rate,) = parse_many(text)
        numbers = [int(number) for number in re.findall("[0-9]+", text)]
    except ValueError:
        return False
    # Elsewhere 0 is no limit. Here it would be one that nobody passes, and nobody is told why; as a
    # time `limits` takes it for 1.
    return 0 not in numbers and rate.amount <= RATE_MOST and rate.get_expiry() <= YEAR


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


@check
def unknown() -> Iterator[CheckMessage]:
    """A setting that is misspelt would be at its default, and nobody would know."""
    known = [name for name in dir(settings) if name.startswith(OURS)]
    wrong = {name for name in os.environ if name.startswith(OURS) and name not in known}
    file, example = dotenv.place(), settings.BASE_DIR / ".env.example"
    if file is not None and file.exists() and example.exists():  # in there all names are for us
        known += re.findall("^#? ?([A-Z][A-Z_]+)=", example.read_text(), re.MULTILINE)
        wrong |= dotenv.read(file).keys() - set(known)
    for name in sorted(wrong):
        meant = get_close_matches(name, known, 1)
        yield Warning(
            f"{name} is set, and there is no such setting.",
            hint=f"Is {meant[0]} meant?" if meant else ".env.example has all there are.",
            id="core.W005",
        )
