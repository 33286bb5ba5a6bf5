"""Environment variables, read strictly: a value that makes no sense is said, in one line.

django-environ by itself takes HTTPS=yse for "no", and a value that begins with "$" for the name of
another variable.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import environ

from core.errors import Problem

YES, NO = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
UNSET = environ.Env.NOTSET
T = TypeVar("T")


def _switch(text: str) -> bool:
    if text.lower() not in YES + NO:
        raise ValueError
    return text.lower() in YES


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

    def get_value(
        self, var: str, cast: Any = None, default: Any = UNSET, parse_default: bool = False
    ) -> Any:
        text = os.environ.get(var)
        says_none = text == "" and default is not UNSET and cast in (str, list)
        if not text and not says_none:
            if default is UNSET:
                raise Problem(f"{var} is not set. Set it, or put it into .env (see .env.example).")
            return default
        cast, wanted = CASTS.get(cast, (str, "text"))
        return self._checked(var, wanted, cast)

    def one_of(self, var: str, choices: Sequence[str], *, default: str) -> str:
        def check(text: str) -> str:
            return choices[choices.index(text)]

        return self._checked(var, "one of " + ", ".join(choices), check, default)

    def time_zone(self, var: str, *, default: str) -> str:
        return self._checked(
            var, "a time zone, as Europe/Paris", lambda name: ZoneInfo(name).key, default
        )

    def db_url(self, var: str, default: Any = UNSET, engine: str | None = None) -> dict[str, Any]:
        url = self.get_value(var, default=default)
        config: dict[str, Any] = {}
        if url.startswith(("postgres://", "postgresql://")):
            with suppress(ValueError):
                config = self.db_url_config(url, engine=engine)
        if not config.get("NAME"):  # said without the value: a password is in it
            wanted = "an address of PostgreSQL, as postgres://USER:PASSWORD@HOST:PORT/NAME"
            raise Problem(f"{var} must be {wanted}.")
        return config

    @staticmethod
    def _checked(var: str, wanted: str, cast: Callable[[str], T], default: str = "") -> T:
        text = os.environ.get(var) or default
        try:
            return cast(text)
        except (ValueError, LookupError, OSError):
            raise Problem(f"{var} is {text!r}; it must be {wanted}.") from None
