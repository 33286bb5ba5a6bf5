"""Reading single values that others wrote: nothing here raises, whatever it is given."""

import re
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from core.accounts.names import cleaned

NAME_MAX = 80  # of a user
_ID = re.compile(r"[A-Za-z0-9]{1,40}")
_TS = re.compile(r"(0|[1-9][0-9]{0,11})\.([0-9]{6})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_300_799  # of the year 9999
# What PostgreSQL refuses in a text: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def is_ts(value: object) -> TypeGuard[str]:
    """Slack's name of a message in its channel: seconds since 1970, a dot, six digits."""
    match = _TS.fullmatch(value) if isinstance(value, str) else None
    return match is not None and int(match[1]) <= _LAST_SECOND


def micros_of(ts: str) -> int:
    """Microseconds since 1970: as a float, two messages of one second would run together."""
    return int(ts.replace(".", ""))


def ts_of(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06}"


def time_of(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def clean(text: str) -> str:
    """The text with a replacement sign for each character that PostgreSQL cannot store."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def text_of(value: object, *path: str) -> str:
    """The text at `path` inside JSON objects, "" where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return clean(value).strip() if isinstance(value, str) else ""


def name_of(*candidates: str) -> str:
    """The first that is a name here, in one line and without what no name may have; else ""."""
    names = (cleaned(line_of(name)) for name in candidates)
    return next(filter(None, names), "")


def line_of(name: str) -> str:
    return " ".join(name.split())[:NAME_MAX].strip()


def objects_of(value: object, key: str) -> list[dict[str, object]]:
    """The objects in the list at `key`, none where there is no list."""
    found = value.get(key) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def word(value: object) -> str:
    """What an odd value was, short enough for one line of a report."""
    return ascii(value)[:60]


def printable(text: str) -> str:
    """For a terminal, which would obey the control sequences in a name."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
