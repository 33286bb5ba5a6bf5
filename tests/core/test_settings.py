"""What the settings make of the environment."""

import os
import subprocess
import sys
from typing import Any

import pytest

from core.environment import Env
from core.errors import Problem
from tests.support.databases import ROOT

env = Env()
LEVELS = ("DEBUG", "INFO")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("on", True), ("True", True), ("yes", True), ("1", True)),
        *(("off", False), ("FALSE", False), ("no", False), ("0", False)),
    ],
)
def test_switches(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("X", text)
    assert env.bool("X", default=not value) is value


def test_empty_is_not_set_but_for_texts_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "")
    assert env.bool("X", default=True) is True
    assert env.int("X", default=3) == 3
    assert env.path("X", default="/srv/static")("a") == env.path("X", default="/srv/static/a")
    assert env.one_of("X", LEVELS, default="INFO") == "INFO"
    assert env.time_zone("X", default="UTC") == "UTC"
    assert env.str("X", default="60/minute") == ""
    assert env.list("X", default=["a"]) == []
    for read in (env.str, env.int, env.list, env.db_url):
        with pytest.raises(Problem, match=r"^X is not set"):
            read("X")


def test_lists_may_have_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "chat.example.org, example.org,")
    assert env.list("X") == ["chat.example.org", "example.org"]


def test_a_value_is_no_name_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "$HOME")
    assert env.str("X") == "$HOME"


@pytest.mark.parametrize(
    ("read", "text", "wanted"),
    [
        (lambda: env.bool("X"), "yse", "on or off"),
        (lambda: env.bool("X", default=True), "2", "on or off"),
        (lambda: env.int("X"), "4k", "a whole number"),
        (lambda: env.int("X", default=1), "1.5", "a whole number"),
        (lambda: env.float("X", default=1.0), "5s", "a number"),
        (lambda: env.one_of("X", LEVELS, default="INFO"), "loud", "one of DEBUG, INFO"),
        (lambda: env.time_zone("X", default="UTC"), "Europe/Nowhere", "a time zone"),
        (lambda: env.time_zone("X", default="UTC"), "../../etc/passwd", "a time zone"),
    ],
)
def test_what_makes_no_sense_is_said(
    monkeypatch: pytest.MonkeyPatch, read: Any, text: str, wanted: str
) -> None:
    monkeypatch.setenv("X", text)
    with pytest.raises(Problem) as said:
        read()
    assert str(said.value).startswith(f"X is {text!r}; it must be {wanted}")


@pytest.mark.parametrize(
    "url",
    ["a-secret", "mysql://u:a-secret@h/n", "postgres://u:a-secret@h:port/n", "postgres://a-secret"],
)
def test_an_address_of_no_database_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("X", url)
    with pytest.raises(Problem, match=r"^X must be an address of PostgreSQL") as said:
        env.db_url("X")
    assert "a-secret" not in str(said.value)


@pytest.mark.parametrize("command", [["manage.py", "migrate"], ["-m", "core.server"]])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CHAT_MESSAGE_MAX", "abc", "CHAT_MESSAGE_MAX is 'abc'"),
        ("HTTPS", "onn", "HTTPS is 'onn'"),
        ("DATABASE_URL", "", "DATABASE_URL is not set"),
    ],
)
def test_a_wrong_variable_is_one_line(command: list[str], name: str, value: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "off", name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert says in line


def test_production_is_what_one_gets_by_default() -> None:
    """Strict where nothing is said: no errors shown, https only, no guests, no trusted proxy."""
    code = (
        "from django.conf import settings as s; "
        "print(s.DEBUG, s.HTTPS, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE,"
        " s.SECURE_SSL_REDIRECT, s.CHAT_GUESTS, s.TRUSTED_PROXY, s.ALLOWED_HOSTS, s.ORIGINS)"
    )
    bare = {"PATH": os.environ["PATH"], "ENV_FILE": "", "DJANGO_SETTINGS_MODULE": "core.settings"}
    needed = {name: os.environ[name] for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=bare | needed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", *["True"] * 4, "False", "False", "[]", "[]"]
