"""The house stays as chat/ARCHITECTURE.md draws it: what import-linter cannot say (pyproject.toml
has its contracts)."""

import re
from functools import cache
from pathlib import Path

import grimp
import pytest

from tests.support.databases import ROOT

JS = ROOT / "chat/static/chat/js"
TOP = {"apps", "checks", "consumers", "factories", "forms", "process", "routing", "signals"} | {
    *("urls", "views", "__init__")
}


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("chat", "core", "presence")


def test_at_the_top_of_chat_stand_the_names_of_django_and_channels() -> None:
    assert {path.stem for path in (ROOT / "chat").glob("*.py")} == TOP


def test_pages_reach_neither_the_live_part_nor_the_log() -> None:
    reached = {
        module if not module.startswith("chat.models.") else "chat.models"
        for module in graph().find_upstream_modules("chat.views")
        if module.startswith(("chat", "presence"))
    }
    live_or_log = {module for module in reached if re.match(r"chat\.(live|log)\b", module)}
    assert live_or_log == {"chat.live.bus"}
    assert len(reached) <= 20


def loaded_by(script: Path, seen: set[Path]) -> set[Path]:
    for path in re.findall(r'(?:from|import) "(\.[^"]*)"', script.read_text()):
        if (found := (script.parent / path).resolve()) not in seen:
            seen.add(found)
            loaded_by(found, seen)
    return seen


@pytest.mark.parametrize(
    ("page", "template"), [("room", "_room_assets.html"), ("rooms", "rooms.html")]
)
def test_a_page_fetches_at_once_what_its_script_imports(page: str, template: str) -> None:
    text = (ROOT / "chat/templates/chat" / template).read_text()
    listed = re.findall(r"rel=\"modulepreload\" href=\"{% static '([^']*)' %}\"", text)
    imported = loaded_by(JS / f"pages/{page}.js", set())
    assert sorted(listed) == sorted(str(each.relative_to(JS.parents[1])) for each in imported)


def test_the_model_touches_no_page() -> None:
    for script in JS.glob("model/*.js"):
        text = re.sub(r"//.*|/\*.*?\*/", "", script.read_text(), flags=re.S)
        assert not re.search(r"\b(querySelector|createElement|customElements)\b", text), script
        assert not re.search(r"\.\./(view|elements|pages)/", text), script
