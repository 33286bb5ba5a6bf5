"""The account of an import equals a count of the export's JSON that shares no code with it."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chat.models import Message
from tests.chat.slack import builder
from tests.chat.slack.builder import room, said, ts
from tests.chat.slack.census import census
from tests.chat.slack.command import assert_adds_up, counts, run, run_failing

pytestmark = pytest.mark.django_db

GARDEN_CLUB = Path(__file__).parent / "garden-club"
DAY = "2023-11-14.json"


def every_case() -> dict[str, Any]:
    """File → content of an export in which everything happens that the account tells apart."""
    rng = random.Random(11)
    channels = [room(f"C{n}", f"room-{n}", "U1", "U2") for n in range(4)]
    files: dict[str, Any] = {
        "users.json": [builder.ANN, builder.BOB, builder.CY],
        "channels.json": channels,
        "groups.json": [room("G1", "board", "U1")],
        "dms.json": [{"id": "D1", "members": ["U1", "U2"]}],
        f"elsewhere/{DAY}": [said(1), "x", {}],
    }
    for folder in ("room-0", "room-1", "room-2", "room-3", "board", "D1"):
        entries = [_entry(rng, number) for number in range(120)]
        entries += rng.sample(entries, 5)  # twice
        rng.shuffle(entries)
        files[f"{folder}/{DAY}"] = entries[::2]
        files[f"{folder}/2023-11-15.json"] = entries[1::2]
    files["room-1/2023-11-16.json"] = "[{"
    return files


def _entry(rng: random.Random, number: int) -> Any:
    user = rng.choice(["U1", "U2", "U3", "U404"])
    plain = said(number, f"line {number}", user=user)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "from a block"}}]
    return rng.choice(
        [
            *([plain] * 6),
            *([plain | {"thread_ts": ts(rng.randrange(140))}] * 3),
            plain | {"thread_ts": ts(number)},
            plain | {"edited": {"user": user, "ts": ts(number + 1)}},
            plain | {"text": "", "blocks": blocks},
            plain | {"files": [{"id": "F1", "name": "a.png"}]},
            plain | {"user": "U9", "user_profile": {"display_name": "Eve"}, "user_team": "T2"},
            plain | {"subtype": "thread_broadcast", "thread_ts": ts(rng.randrange(140))},
            plain | {"bot_id": "B1", "username": "Rain", "subtype": "bot_message"},
            plain | {"bot_id": "B1"},
            plain | {"user": None, "username": "hook"},
            *(
                plain | {"subtype": subtype}
                for subtype in (
                    *("channel_join", "channel_leave", "channel_topic", "channel_purpose"),
                    *("me_message", "file_share", "tombstone", "pinned_item", "confetti"),
                    *("message_changed", "message_deleted", "message_replied", "group_join"),
                )
            ),
            plain | {"user": None, "subtype": "file_comment", "comment": {"user": "U1"}},
            plain | {"type": "file"},
            plain | {"user": None},
            plain | {"ts": "yesterday"},
            plain | {"ts": "01.000000"},
            plain | {"text": "nul \0 and half \ud83d"},
            17,
            None,
            [plain],
        ]
    )


@pytest.mark.parametrize("form", ["folder", "zip", "backslashes", "no flag"])
def test_the_account_of_an_export_with_every_case_equals_the_census(
    tmp_path: Path, form: str
) -> None:
    files = every_case()
    for name, content in files.items():
        path = tmp_path / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(builder.dumps(content))
    counted = census(tmp_path / "export")
    path = tmp_path / "export"
    if form != "folder":
        if form == "backslashes":
            files = {name.replace("/", "\\"): content for name, content in files.items()}
        path = builder.zipped(tmp_path / "export.zip", files, flag=form != "no flag")
    summary, error = run_failing(path)
    assert counts(summary) == counted
    assert_adds_up(summary)
    lost = sum(count for row, count in counted.items() if row.startswith("not taken"))
    assert f"{lost} entries could not be taken" in error
    assert "1 file could not be read, 1 folder belongs to no room" in error
    skipped = sum(count for row, count in counted.items() if row.startswith("skipped"))
    roomless = counted["in folders that belong to no room"]
    messages = counted["in all"] - lost - skipped - roomless
    assert Message.objects.count() == messages
    before = list(Message.objects.order_by("pk").values())
    again, _ = run_failing(path)
    assert list(Message.objects.order_by("pk").values()) == before
    assert counts(again)["already there"] == messages


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_account_of_the_garden_club_equals_the_census(tmp_path: Path, form: str) -> None:
    path = GARDEN_CLUB
    if form == "zip":
        path = builder.packed(path, tmp_path / "export.zip")
    assert counts(run(path)) == census(path)


def test_the_census_tells_rows_apart() -> None:
    """Else the two would agree about nothing."""
    rows = Counter(census(GARDEN_CLUB))
    assert rows["messages"] == 7
    assert rows["in all"] == 19
