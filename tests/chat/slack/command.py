"""Runs `manage.py import_slack`, and reads its account."""

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chat.models import Message


def run(path: Path, *, verbosity: int = 1) -> str:
    out = StringIO()
    call_command("import_slack", str(path), stdout=out, verbosity=verbosity)
    return out.getvalue()


def run_failing(path: Path, *, verbosity: int = 1) -> tuple[str, str]:
    """What it printed, and the one line it ended with."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("import_slack", str(path), stdout=out, verbosity=verbosity)
    return out.getvalue(), str(error.value)


def counts(summary: str) -> dict[str, int]:
    rows = re.findall(r"^ +([\d,]+)  (.+)$", summary, re.MULTILINE)
    return {what: int(number.replace(",", "")) for number, what in rows}


def assert_adds_up(summary: str) -> None:
    rows = counts(summary)
    total = rows.pop("in all")
    read = re.search(r"^([\d,]+) entr(y|ies) read", summary, re.MULTILINE)
    assert read is not None
    assert sum(rows.values()) == total == int(read[1].replace(",", ""))


def bodies(slug: str = "general") -> list[str]:
    return list(Message.objects.filter(room__slug=slug).order_by("seq").values_list("body", flat=1))


def the(body: str) -> Message:
    return Message.objects.get(body=body)
