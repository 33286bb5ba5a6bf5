"""What the settings make of the environment."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.environment.values import Env
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
    assert env.folder("X", default="/srv/static") == "/srv/static"
    assert env.one_of("X", LEVELS, default="INFO") == "INFO"
    assert env.time_zone("X", default="UTC") == "UTC"
    assert env.str("X", default="60/minute") == ""
    assert env.list("X", default=["a"]) == []
    for read in (env.str, env.int, env.list, env.db_url, env.redis_url):
        with pytest.raises(Problem, match=r"^X is not set"):
            read("X")


def test_lists_may_have_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "chat.example.org, example.org,")
    assert env.list("X") == ["chat.example.org", "example.org"]


def test_a_folder_may_be_made_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("static", "static/of/ours", str(tmp_path / "static")):
        monkeypatch.setenv("X", text)
        assert env.folder("X", default="") == str(tmp_path / text)


@pytest.mark.parametrize("text", ["file", "file/below", "nowhere", "loop/below", "long" * 1_000])
def test_what_can_be_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("not there")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("X", str(tmp_path / text))
    with pytest.raises(Problem, match=r"^X must be a folder, or where one can be made\.$"):
        env.folder("X", default="")


def test_what_a_file_leaves_around_a_value_does_not_belong_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A secret that is mounted as a file ends with a line break."""
    for text in (" redis://h/1\n", "redis://h/1\r\n", "\tredis://h/1 "):
        monkeypatch.setenv("X", text)
        assert env.redis_url("X") == env.str("X") == "redis://h/1"
    monkeypatch.setenv("X", " \n")
    assert env.bool("X", default=True) is True


def test_bytes_that_are_no_text_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "caf\udce9")
    with pytest.raises(Problem, match=r"^X has a line break or a character"):
        env.str("X")


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
    assert str(said.value).startswith(f"X must be {wanted}")
    assert text not in str(said.value), "a secret behind the wrong name is one still"


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
        ("CHAT_MESSAGE_MAX", "S3cret", "CHAT_MESSAGE_MAX must be a whole number"),
        ("HTTPS", "S3cret", "HTTPS must be on or off"),
        ("DATABASE_URL", "", "DATABASE_URL is not set"),
        ("DATABASE_URL", "postgres://u:S3cret#pw@h/n", "DATABASE_URL must be an address of"),
        ("REDIS_URL", "redis://:S3cret#pw@h:6379/0", "REDIS_URL must be an address of Redis"),
        ("DATABASE_URL", "postgres://u@h/n?connect_timeout=S3cret", "DATABASE_URL must be an"),
        ("REDIS_URL", "redis://:pw@h:6379/0?decode_responses=S3cret", "REDIS_URL must be an"),
        ("REDIS_URL", "redis://:S3cret@ünï..x:6379/0", "REDIS_URL must be an address of Redis"),
        ("SITE_NAME", "S3cret\nname", "SITE_NAME has a line break"),
        ("SITE_NAME", "'S3cret'", "SITE_NAME stands in quotes"),
        ("STATIC_ROOT", "manage.py/S3cret", "STATIC_ROOT must be a folder"),
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
    assert "S3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", [["manage.py", "migrate"], ["-m", "core.server"]])
def test_no_check_shows_what_it_refuses(command: list[str]) -> None:
    """Django's own ones print values of CSRF_TRUSTED_ORIGINS."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "DEBUG": "off",
            "ORIGINS": "S3cret,//S3cret",
            "ALLOWED_HOSTS": "S3:cret",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Entry 1 of ORIGINS is not a full origin" in done.stderr
    assert "S3" not in done.stdout + done.stderr


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
