"""Environment variables, read strictly: a value that makes no sense is said, in one line.

django-environ by itself takes HTTPS=yse for "no", and a value that begins with "$" for the name of
another variable.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import category
from zoneinfo import ZoneInfo

import environ

from core.environment import service_url
from core.errors import Problem

YES, NO = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
UNSET = environ.Env.NOTSET
IN_PRODUCTION = (
    " With SECRET_KEY, or with DEBUG=off, this is a server in production; where neither is set it"
    " is a developer's, and needs nothing."
)
T = TypeVar("T")
N = TypeVar("N", int, float)


def _switch(text: str) -> bool:
    if text.lower() not in YES + NO:
        raise ValueError
    return text.lower() in YES


def _folder(text: str) -> str:
    path = Path(text).absolute()
    for there in (path, *path.parents):
        with suppress(FileNotFoundError):
            there.lstat()
            break
    if not there.is_dir():
        raise ValueError
    return str(path)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


CASTS: dict[Any, tuple[Callable[[str], Any], str]] = {
    bool: (_switch, "on or off"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    list: (_names, "a list, with commas between"),
}


class Env(environ.Env):
    """Raises a Problem for a variable that is missing or is not what it must be.

    Empty is as good as not set, but for texts and lists that have a default: there it says "none".
    """

    def __init__(self) -> None:
        super().__init__()
        self.limits: dict[str, tuple[int, int]] = {}  # by name: the least and the most
        self.rates: list[str] = []

    def get_value(
        self, var: str, cast: Any = None, default: Any = UNSET, parse_default: bool = False
    ) -> Any:
        text = _read(var)
        says_none = text == "" and default is not UNSET and cast in (str, list)
        if not text and not says_none:
            if default is UNSET:
                why = IN_PRODUCTION if os.environ.get("SECRET_KEY") else ""
                raise Problem(
                    f"{var} is not set. Set it, or put it into .env (see .env.example).{why}"
                )
            return default
        cast, wanted = CASTS.get(cast, (str, "text"))
        return self._checked(var, wanted, cast)

    def limit(self, var: str, *, default: N, least: int = 1, most: int = 1_000_000) -> N:
        """Return a number of the default's type; a check says where it is out of its bounds."""
        self.limits[var] = least, most
        return self.get_value(var, cast=type(default), default=default)

    def rate(self, var: str, *, default: str) -> str:
        """Return text as "60/minute"; a check says where it is none."""
        self.rates.append(var)
        return self.str(var, default=default)

    def one_of(self, var: str, choices: Sequence[str], *, default: str) -> str:
        def check(text: str) -> str:
            return choices[choices.index(text)]

        return self._checked(var, "one of " + ", ".join(choices), check, default)

    def time_zone(self, var: str, *, default: str) -> str:
        return self._checked(
            var, "a time zone, as Europe/Paris", lambda name: ZoneInfo(name).key, default
        )

    def folder(self, var: str, *, default: str) -> str:
        """Return a path; what lies there is a folder, or one can be made."""
        return self._checked(var, "a folder, or where one can be made", _folder, default)

    def db_url(self, var: str, default: Any = UNSET, engine: str | None = None) -> dict[str, Any]:
        """Return Django's settings of the PostgreSQL at an address; its options are libpq's."""
        return self._address(
            var,
            "an address of PostgreSQL, as postgres://USER:PASSWORD@HOST:5432/NAME",
            lambda text: {"ENGINE": engine, **service_url.postgresql(text)},
        )

    def redis_url(self, var: str) -> str:
        return self._address(
            var,
            "an address of Redis, as redis://:PASSWORD@HOST:6379/0, or with rediss:// for TLS",
            lambda text: service_url.redis(text) and text,
        )

    def _address(self, var: str, wanted: str, check: Callable[[str], T]) -> T:
        text = self.get_value(var)
        try:
            return check(text)
        except service_url.NoAddress:
            raise Problem(f"{var} must be {wanted}. {service_url.ESCAPES}") from None

    @staticmethod
    def _checked(var: str, wanted: str, cast: Callable[[str], T], default: str = "") -> T:
        try:
            return cast(_read(var) or default)
        except (ValueError, LookupError, OSError):
            # without the value: people also put a secret behind the wrong name
            raise Problem(f"{var} must be {wanted}.") from None


def _read(var: str) -> str | None:
    """Return a variable without the spaces and line breaks around it, which files bring along."""
    text = os.environ.get(var)
    if text is None:
        return None
    text = text.strip()
    if not is_text(text):
        raise Problem(f"{var} has a line break or a character in it that is no text.")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        raise Problem(f"{var} stands in quotes: leave them out. (Only in .env they are taken off.)")
    return text


def is_text(text: str) -> bool:
    """Tell whether there is no control character but tabs in it, and no byte outside UTF-8."""
    return not any(category(one) in ("Cc", "Cs") and one != "\t" for one in text)
