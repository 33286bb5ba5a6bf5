"""What is read of `.env`, and what is said, in one line and without values, where it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.environment import dotenv
from core.errors import Problem
from tests.support.databases import ROOT

GOOD = "SECRET_KEY=a-secret-which-is-long-enough-for-production"


def read(path: Path, content: str | bytes) -> dict[str, str]:
    file = path / ".env"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return dotenv.read(file)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X=Chat", "Chat"),
        ("X=My chat", "My chat"),
        ("X=Chat # ours", "Chat"),
        ("X=Chat\t# ours", "Chat"),
        ("X=Chat#1", "Chat#1"),
        ("X=#1", "#1"),
        ("X= # nothing", ""),
        ("X=", ""),
        ("X=Bob's chat", "Bob's chat"),
        ("X=a=b==", "a=b=="),
        ("X='Chat # ours' # not ours", "Chat # ours"),
        ('X="Chat # ours"', "Chat # ours"),
        ("X='a\\b$c\"d'", 'a\\b$c"d'),
        (r'X="a\"b\\c\$d\`e\n"', 'a"b\\c$d`e\\n'),
        ("X=$HOME/`id`", "$HOME/`id`"),
        ("X = Chat ", "Chat"),
        ("  export X=Chat", "Chat"),
        ("export \t X=Chat", "Chat"),
        ("X=Küche – 部屋", "Küche – 部屋"),
        ("X=one\u2028two", "one\u2028two"),
    ],
)
def test_values(tmp_path: Path, line: str, value: str) -> None:
    for written in (line, f"\ufeff{line}\r\n", f"# first\n\n{line}\n# last"):
        assert read(tmp_path, written) == {"X": value}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("S3cret", "line 1: this is not NAME=value"),
        ("X=1\nS3cret=pw=\nmy S3cret=pw", "line 3: this is not NAME=value"),
        ("S3-cret=pw", "line 1: this is not NAME=value"),
        ("export S3cret", "line 1: this is not NAME=value"),
        ("DATABASE_URL: S3cret", "line 1: this is not NAME=value"),
        ("X='S3cret", "line 1: the quote that the value of X begins with does not end"),
        ('X="S3cret\nmore"', "line 1: the quote that the value of X begins with does not end"),
        ('X="S3cret\\"', "does not end"),
        ("X='S3cret'more", "something stands behind the quotes around the value of X"),
        ('X="S3cret"#more', "something stands behind the quotes"),
        ("X=S3cret\nY=1\nX=S3cret", "line 3: X is set on line 1 already: remove one"),
        ("X=S3cret\x00", "no text"),
        ("X=S3\x1bcret", "no text"),
        ("X=S3\rcret", "no text"),
        ("ENV_FILE=S3cret", "ENV_FILE is read from the environment only"),
        ("X=1\nX=S3cret".encode("utf-16"), "line 1: this is not UTF-8"),
        ("X=S3cret".encode("utf-16-le"), "no text"),
        ("Y=1\nX=S3crét".encode("latin-1"), "line 2: this is not UTF-8"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(Problem) as said:
        read(tmp_path, content)
    text = str(said.value)
    assert text.startswith(f"{tmp_path / '.env'}, line ")
    assert says in text
    assert "\n" not in text
    assert "S3" not in text.replace(str(tmp_path), "")


def run(command: list[str], env_file: Path | str) -> "subprocess.CompletedProcess[str]":
    """Run a command as where nothing is set but ENV_FILE."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ENV_FILE": str(env_file)},
        capture_output=True,
        text=True,
        check=False,
    )


COMMANDS = [["manage.py", "check"], ["manage.py", "run"], ["-m", "core.server"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_way_to_start_says_it_in_one_line(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{GOOD}\nSITE_NAME='S3cret\n")
    done = run(command, path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{path}, line 2" in line
    assert "S3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["missing", "folder", "loop"])
def test_a_file_that_cannot_be_opened_is_one_line(
    tmp_path: Path, command: list[str], kind: str
) -> None:
    path = tmp_path / ".env"
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    done = run(command, path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"Cannot read {path}" in line


def test_a_mark_at_the_beginning_loses_no_line(tmp_path: Path) -> None:
    """What some editors put there: the first line was dropped, printed, and DEBUG came on."""
    path = tmp_path / ".env"
    path.write_text(f"\ufeff{GOOD}\nDATABASE_URL=postgres:///none\nREDIS_URL=redis://none\n")
    done = run(["manage.py", "diffsettings", "--all"], path)
    assert done.returncode == 0, done.stderr
    assert "a-secret-which-is-long-enough" in done.stdout
    assert "DEBUG = False" in done.stdout
    assert not done.stderr


def test_what_is_set_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("X_SET=no\nX_NOT_SET=yes\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "file"))
    monkeypatch.setenv("X_SET", "yes")
    monkeypatch.setenv("X_NOT_SET", "")  # to be put back afterwards
    monkeypatch.delenv("X_NOT_SET")
    dotenv.load()
    assert os.environ["X_SET"] == os.environ["X_NOT_SET"] == "yes"
