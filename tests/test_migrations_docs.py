"""Every migration has a page that says what it does to a running chat."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ["core", "chat", "presence"]
HEADINGS = [
    "## Why",
    "## SQL",
    "## Locks",
    "## Old and new code side by side",
    "## Rollback",
    "## Rehearsal",
]

MIGRATIONS = {
    f"{app}/{file.stem}" for app in APPS for file in (ROOT / app / "migrations").glob("[0-9]*.py")
}
PAGES = {
    page.relative_to(ROOT / "migrations_docs").with_suffix("").as_posix(): page
    for page in (ROOT / "migrations_docs").rglob("*.md")
}


def test_there_are_migrations() -> None:
    assert {"core/0001_initial", "chat/0001_initial"} <= MIGRATIONS


def test_every_migration_has_its_page_and_every_page_its_migration() -> None:
    assert set(PAGES) == MIGRATIONS


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_answers_every_question(name: str) -> None:
    lines = PAGES[name].read_text("utf-8").splitlines()
    assert lines[0] == "# " + name.replace("/", " ")
    starts = [n for n, line in enumerate(lines) if line.startswith("## ")]
    assert [lines[n] for n in starts] == HEADINGS
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        assert "".join(lines[start + 1 : end]).strip(), f"{lines[start]} says nothing"


@pytest.mark.parametrize("name", sorted(MIGRATIONS))
def test_migrations_are_named_by_people(name: str) -> None:
    assert "_auto_" not in name
