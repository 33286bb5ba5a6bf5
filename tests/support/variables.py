"""Which environment variables the code reads, found in its source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.databases import ROOT

APPS = ("core", "chat", "presence")
# Django's own: which settings, not one of them, and to whom of runserver's two processes it speaks.
# END_WITH is what one process of ours says to the next (core/local/parent.py).
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "RUN_MAIN", "END_WITH"}


class Variable(NamedTuple):
    default: str | None  # as it would be written; None where it is not a plain value
    is_required: bool


@cache
def read_by_the_code() -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for path in [
        ROOT / "manage.py",
        *(file for app in APPS for file in (ROOT / app).rglob("*.py")),
    ]:
        for name, variable in _read_in(path):
            if name not in NOT_SETTINGS and (name not in found or variable.default is not None):
                found[name] = variable
    return found


def _read_in(path: Path) -> Iterator[tuple[str, Variable]]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            # env.int("NAME", default=1)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=str(name)), *_],
                keywords=keywords,
            ):
                yield name, _variable(keywords)
            # os.environ.get("NAME"), os.environ["NAME"] = … and the like
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ")),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name, Variable(None, is_required=False)
            case ast.Subscript(
                value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))
            ):
                yield name, Variable(None, is_required=False)


def _variable(keywords: list[ast.keyword]) -> Variable:
    default = next((word.value for word in keywords if word.arg == "default"), None)
    if default is None:
        return Variable("", is_required=True)
    try:
        return Variable(_written(ast.literal_eval(default)), is_required=False)
    except ValueError:  # computed
        return Variable(None, is_required=False)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
