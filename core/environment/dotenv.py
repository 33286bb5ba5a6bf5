"""The file `.env`, read strictly: a line that cannot be read is said, and never shown.

Lines are as a shell and docker compose take them: NAME=value, with `export` before it or without.
A value in single quotes is as it stands; in double quotes a backslash goes before " \\ $ and `;
without quotes it ends at a space and "#". Nothing is filled in for a "$".
"""

import os
import re
from pathlib import Path

from core.environment.values import is_text
from core.errors import Problem

DEFAULT = Path(__file__).resolve().parents[2] / ".env"
LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=(?P<value>.*)")
SINGLE = re.compile(r"'(?P<text>[^']*)'(?P<rest>.*)")
DOUBLE = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"(?P<rest>.*)')
ESCAPED = re.compile(r'\\(["\\$`])')
COMMENT = re.compile(r"\s+#.*")


def load() -> None:
    """Put what is in `.env` into os.environ, or in the file that ENV_FILE names (empty: none).

    What is set already wins.
    """
    path = place()
    if path is not None and (os.environ.get("ENV_FILE") or os.path.lexists(path)):
        for name, value in read(path).items():
            os.environ.setdefault(name, value)


def place() -> Path | None:
    """Where the file is, or would be; None where ENV_FILE says that there is none."""
    named = os.environ.get("ENV_FILE")
    return None if named == "" else Path(named or DEFAULT)


def read(path: Path) -> dict[str, str]:
    """Return the variables of a file, by name. Raises a Problem that names the line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"Cannot read {path}: {error.strerror}. Put that right, or set ENV_FILE to another "
            "file, or to nothing where there is none."
        ) from None
    try:
        text = data.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise Problem(f"{path}, line {number}: this is not UTF-8. Save the file as that.") from None
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()  # noqa: PLW2901 - whatever ends it, CRLF too
        if not line or line.startswith("#"):
            continue
        try:
            name, value = _parse(line)
            if name in found:
                raise ValueError(f"{name} is set on line {found[name][1]} already: remove one")
        except ValueError as error:
            raise Problem(f"{path}, line {number}: {error}.") from None
        found[name] = (value, number)
    return {name: value for name, (value, _) in found.items()}


def _parse(line: str) -> tuple[str, str]:
    if not is_text(line):
        raise ValueError("there is a character that is no text: save the file as UTF-8, without it")
    if not (parts := LINE.fullmatch(line)):
        raise ValueError('this is not NAME=value; a comment begins with "#"')
    name = parts["name"]
    if name == "ENV_FILE":
        raise ValueError("ENV_FILE is read from the environment only, not from the file it names")
    return name, _value(name, parts["value"])


def _value(name: str, written: str) -> str:
    value = written.strip()
    if value[:1] not in ("'", '"'):
        return COMMENT.sub("", written, count=1).strip()
    quoted = SINGLE.fullmatch(value) or DOUBLE.fullmatch(value)
    if not quoted:
        raise ValueError(f"the quote that the value of {name} begins with does not end")
    if COMMENT.sub("", quoted["rest"], count=1).strip():
        raise ValueError(f"something stands behind the quotes around the value of {name}")
    if value[0] == "'":
        return quoted["text"]
    return ESCAPED.sub(r"\1", quoted["text"])
