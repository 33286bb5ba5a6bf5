"""A day of any size and order goes through a small memory."""

import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chat.models import Imported, Message, Room
from chat.slack import importer
from chat.slack.entries import client_id
from chat.slack.files import File, Folder
from tests.chat.slack import builder
from tests.chat.slack.builder import general, room, said, ts
from tests.chat.slack.command import bodies, counts, run, run_failing
from tests.support import databases

pytestmark = pytest.mark.django_db

MEBIBYTE = 1024 * 1024


@pytest.mark.long
def test_a_day_of_96_mib_takes_less_than_16_of_memory(tmp_path: Path) -> None:
    """Takes some seconds: the day must be so large that it would not fit."""
    path = general(tmp_path / "export")
    day = path / "general/2023-11-14.json"
    with day.open("w") as file:
        file.write("[")
        for number in range(1_200):
            padding = {"image": "x" * 80 * 1024}
            entry = said(number, thread_ts=ts(number // 10 * 10), user_profile=padding)
            file.write(("," if number else "") + json.dumps(entry))
        file.write("]")
    assert day.stat().st_size > 90 * MEBIBYTE
    run(builder.write(tmp_path / "warm", {"general/2023-11-14.json": [said(1)]}))
    Room.objects.all().delete()
    tracemalloc.start()
    try:
        summary = run(path)
        again = run(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MEBIBYTE
    assert counts(summary)["in all"] == 1_200
    assert counts(again) == {"already there": 1_200, "in all": 1_200}


@pytest.mark.long
def test_200_000_entries_of_one_day_take_less_than_150_mb(
    tmp_path: Path, template_database: str
) -> None:
    """Takes some 10 s: in processes of their own, as an operator starts them, with all that they
    hold, where tracemalloc would see nothing of what C libraries keep. From two days of some size
    follows what a larger one takes: all but the entries is the same."""
    small, large = 1_000, 41_000
    took = {size: _memory(tmp_path / str(size), size, template_database) for size in (small, large)}
    each = (took[large] - took[small]) / (large - small)
    assert took[small] + each * (200_000 - small) < 150 * 1_000_000


def _memory(path: Path, size: int, template_database: str) -> int:
    """The most, in bytes, that the command takes for a day of so many entries."""
    general(path)
    with (path / "general/2023-11-14.json").open("w") as file:
        lines = (json.dumps(said(number, f"line {number}")) for number in range(size))
        file.write("[" + ",\n".join(lines) + "]")
    with databases.copied(template_database) as url:
        done = subprocess.run(
            [sys.executable, "-c", _IMPORT, str(path)],
            cwd=databases.ROOT,
            env=os.environ | {"DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=True,
        )
        with psycopg.connect(url) as imported:
            room = "SELECT message_count FROM chat_room WHERE title = 'general'"
            assert imported.execute(room).fetchone() == (size,)
    return int(done.stdout.splitlines()[-1].split()[1]) * 1024


_IMPORT = """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "core.settings"
execute_from_command_line(["manage.py", "import_slack", sys.argv[1]])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), end="")
"""


def test_entries_in_any_order_over_many_runs_of_rows_are_numbered_by_time(tmp_path: Path) -> None:
    entries = [
        said(n, f"line {n}", thread_ts=ts(n % 7), reactions=[{"name": "x", "users": ["U1", "U2"]}])
        for n in range(1_200)
    ]
    random.Random(5).shuffle(entries)
    talk = {f"general/2023-11-{day}.json": entries[day - 10 :: 3] for day in (10, 11, 12)}
    summary = run(builder.write(tmp_path, talk))
    rows = list(Message.objects.order_by("seq").values_list("seq", "pos", "body"))
    assert rows == [(n + 1, n + 1, f"line {n}") for n in range(1_200)]
    parents = {f"line {n}": f"line {n % 7}" for n in range(7, 1_200)}
    found = Message.objects.exclude(reply_to=None).values_list("body", "reply_to__body")
    assert dict(found) == parents
    assert counts(summary)["in all"] == 1_200
    assert Message.objects.filter(reactions__emoji="❌").count() == 2_400
    more = [*entries, said(3_000, "line 3000")]
    assert counts(run(general(tmp_path / "more", *more)))["already there"] == 1_200
    assert bodies()[-1] == "line 3000"


@pytest.mark.parametrize("reading", [2, 3])
@pytest.mark.parametrize(
    "changed", [[said(1)], [said(1), said(5)], [said(1), said(2), said(3)], [{}] * 2, None]
)
def test_files_that_change_while_they_are_read_fail_their_room_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Any, reading: int
) -> None:
    """They are read three times: all must see the same, or messages get others' places."""
    talk = {"general/2023-11-14.json": [said(1), said(2)], "b/2023-11-14.json": [said(3, "b")]}
    export = builder.write(tmp_path, talk, channels=[builder.GENERAL, room("C2", "b")])
    chunks, seen = Folder.chunks, list[str]()

    def changing(self: Folder, file: File) -> Iterator[bytes]:
        seen.append(file.name)
        if file.folder == "general" and seen.count(file.name) == reading:
            return iter([json.dumps(changed).encode()])
        return chunks(self, file)

    monkeypatch.setattr(Folder, "chunks", changing)
    summary, error = run_failing(export)
    assert re.search(r"^  general: (RuntimeError: its files changed|Unreadable)", summary, re.M)
    assert counts(summary) == {"messages": 1, "in rooms that failed": 2, "in all": 3}
    assert "1 room failed" in error
    assert [message.body for message in Message.objects.all()] == ["b"]


def test_the_identity_of_what_is_imported_never_changes(tmp_path: Path) -> None:
    """Else a second import by a newer version would bring everything in again."""
    assert client_id("C1", "1700000001.000100") == uuid.UUID("a2c87ed5-e009-572c-8803-81da3092ca5d")
    post = said(1, user=None, subtype="bot_message", bot_id="B1", username="Rain")
    hook = said(2, user=None, subtype="bot_message", username="Hook")
    mute = said(3, user=None, bot_id="B2")
    run(general(tmp_path, post, hook, mute, said(4), said(5, user="U9")))
    keys = set(Imported.objects.values_list("source", "key"))
    assert keys == {
        ("slack", key) for key in ("C1", "U1", "U2", "U3", "U9", "B1/Rain", "/Hook", "B2/")
    }
    assert {message.client_id for message in Message.objects.all()} == {
        client_id("C1", ts(number)) for number in range(1, 6)
    }


def test_the_bars_tell_of_every_byte_and_every_entry(tmp_path: Path) -> None:
    talk = {"general/2023-11-14.json": [said(1), "odd", said(2)], "x/2023-11-14.json": [said(3)]}
    export = builder.write(tmp_path, talk)
    told: dict[str, list[int]] = {}

    class Bar:
        def __init__(self, what: str, total: int, unit: str) -> None:
            self.counts = told.setdefault(what, [total])

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int, /) -> None:
            self.counts.append(count)

    importer.import_export(export, progress=Bar)
    size = sum((export / name).stat().st_size for name in talk)
    assert {what: counts[0] for what, counts in told.items()} == {"Reading": size, "Importing": 3}
    assert all(counts[0] == sum(counts[1:]) for counts in told.values())
