"""`manage.py import_slack`, from the command line down to the rows."""

import json
import os
import random
import re
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from chat.models import Imported, Membership, Message, Reaction, Room
from chat.slack.entries import client_id
from chat.slack.importer import _LOCK
from core.models import User
from tests.chat.slack import builder
from tests.chat.slack.builder import ANN, BOB, general, room, said, ts
from tests.chat.slack.census import census
from tests.chat.slack.command import assert_adds_up, bodies, counts, run, run_failing, the

ROOT = Path(__file__).resolve().parents[3]
GARDEN_CLUB = Path(__file__).parent / "garden-club"
# A real community's week, where the checkout has it beside it.
COMMUNITY = Path(os.environ.get("SLACK_EXPORT", ROOT / "../shared/data/community"))

pytestmark = pytest.mark.django_db


def snapshot() -> list[Any]:
    """Every row that an import may write."""
    tables = (Room, Membership, Message, Reaction, Imported, User)
    return [list(table.objects.order_by("pk").values()) for table in tables]


# -- A whole export ---------------------------------------------------------------------------


@pytest.fixture(params=["folder", "zip", "zip with a top folder"])
def garden_club(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        return GARDEN_CLUB
    top = "Garden club 2020/" if "top" in request.param else ""
    return builder.packed(GARDEN_CLUB, tmp_path / "export.zip", top)


def test_every_entry_is_accounted_for(garden_club: Path) -> None:
    summary = run(garden_club)
    assert "4 people: 4 new, 0 already there; 3 more for bots and unknown people" in summary
    assert "6 rooms: 6 new, 0 already there, 0 failed" in summary
    assert "19 entries read:" in summary
    assert counts(summary) == {
        "messages": 7,
        "replies in threads": 1,
        "file shares, as links": 2,
        "bot posts": 1,
        "/me, as actions": 1,
        "joins, as notices": 3,
        "leaves, as notices": 1,
        "topics and purposes, as notices": 1,
        "other notices": 1,
        "deleted ones, kept as deleted": 1,
        "in all": 19,
    }
    assert_adds_up(summary)
    assert "1 edited" in summary
    assert "3 reactions" in summary
    assert (
        "seeds/2020-01-06.json: entry 1578308405.000100: answers a message that is not there"
        in summary
    )
    assert Message.objects.count() == 19


def test_a_conversation_reads_as_it_was(garden_club: Path) -> None:
    run(garden_club)
    messages = Message.objects.filter(room__slug="seeds").order_by("seq")
    assert [(m.author.name, m.kind, m.body) for m in messages] == [
        ("Rose", "notice", "has joined the channel"),
        ("Ivy", "notice", "has joined the channel"),
        (
            "Rose",
            "text",
            "Has anybody sweet peas? See #tools or this list (https://peas.test/a?b=1&c=2)",
        ),
        ("Fern", "notice", "has joined the channel"),
        ("Ivy", "text", "I have, @Rose! 3 < 5 😄"),
        ("Ivy", "action", "waters the beds"),
        ("Fern", "notice", "has left the channel"),
        ("Rose", "notice", "set the channel topic: Swap & share"),
        ("Rain gauge", "bot", "4 mm since dawn\nChart (https://rain.test/1)"),
        (
            "Rose",
            "text",
            "uploaded a file: The plan (https://files.test/files/UROSE01/FPLAN01/plan.png)"
            " and commented: for spring",
        ),
        ("Ivy", "text", "and mine\nBeds (https://files.test/beds.png)"),
        ("Slackbot", "text", ""),
        ("Old Willow", "text", "I was here before the list"),
        ("Oak", "text", "Late to a talk"),
        ("Ivy", "notice", "pinned a message"),
    ]
    assert [m.seq for m in messages] == [m.pos for m in messages] == list(range(1, 16))
    question, answer = messages[2], messages[4]
    assert question.created_at == datetime(2020, 1, 5, 11, 0, 1, 100, UTC)
    assert (answer.reply_to, question.reply_to) == (question, None)
    assert answer.edited_at == datetime(2020, 1, 5, 11, 1, 30, tzinfo=UTC)
    assert question.edited_at is None
    assert messages[11].deleted_at == messages[11].created_at
    assert messages[13].reply_to is None
    assert sorted((r.user.name, r.emoji) for r in question.reactions.all()) == [
        ("Fern", "👍"),
        ("Ivy", ":sweet_pea:"),
        ("Ivy", "👍"),
    ]
    seeds = messages[0].room
    assert (seeds.message_count, seeds.head) == (15, 15)


def test_rooms_come_as_they_were() -> None:
    run(GARDEN_CLUB)
    rooms = {room.slug: room for room in Room.objects.all()}
    direct = Room.objects.get(kind="direct")
    board, group = Room.objects.filter(kind="private").order_by("-title")
    found = {slug: (r.kind, r.title, r.topic, r.is_archived) for slug, r in rooms.items()}
    assert found == {
        "seeds": ("open", "seeds", "Swap & share, ask @Rose", False),
        "tools": ("open", "tools", "Rakes and spades", True),
        "empty": ("open", "empty", "", False),
        board.slug: ("private", "board", "Plans", False),
        group.slug: ("private", "Rose, Ivy, Fern", "", False),
        direct.slug: ("direct", "", "", False),
    }
    assert rooms["seeds"].created_at == datetime(2020, 1, 1, tzinfo=UTC)
    for kept_from_others in (board, group, direct):  # nobody finds it by trying
        prefix, _, chance = kept_from_others.slug.partition("--")
        assert prefix == kept_from_others.kind
        assert len(chance) == 16
    assert {direct.direct_low.username, direct.direct_high.username} == {"rose.thorn", "ivy"}


def test_members_are_those_of_the_list_and_those_who_joined_and_stayed() -> None:
    run(GARDEN_CLUB)
    members: dict[str, set[str]] = {}
    for membership in Membership.objects.select_related("room", "user"):
        members.setdefault(membership.room.name, set()).add(membership.user.name)
        assert membership.role == "member"
        assert membership.read_seq == membership.room.message_count > 0  # old talk is not news
    assert members == {
        "seeds": {"Rose", "Ivy"},
        "tools": {"Rose"},
        "board": {"Rose", "Ivy"},
        "Rose, Ivy, Fern": {"Rose", "Ivy", "Fern"},
        Room.objects.get(kind="direct").slug: {"Rose", "Ivy"},
    }
    joined = Membership.objects.get(room__slug="seeds", user__username="ivy").joined_at
    assert joined == datetime(2020, 1, 5, 11, 0, 0, 200, UTC)


def test_people_become_accounts_that_cannot_sign_in() -> None:
    run(GARDEN_CLUB)
    users = {user.username: user for user in User.objects.all()}
    assert users.keys() == {
        *("rose.thorn", "ivy", "oak", "fern"),
        *("Rain-gauge", "Old-Willow", "slackbot"),
    }
    assert users["rose.thorn"].display_name == "Rose"
    assert {name for name, user in users.items() if not user.is_active} == {"oak", "Old-Willow"}
    for user in users.values():
        assert not user.has_usable_password()
        assert (user.is_staff, user.is_superuser) == (False, False)  # Rose ran the Slack only
        assert user.email == ""


def test_the_token_in_a_private_file_link_stays_out() -> None:
    run(GARDEN_CLUB)
    assert not Message.objects.filter(body__contains="xoxe").exists()


# -- Again, and more --------------------------------------------------------------------------


def test_a_second_run_adds_nothing(garden_club: Path) -> None:
    run(garden_club)
    before = snapshot()
    summary = run(garden_club)
    assert snapshot() == before
    assert "4 people: 0 new, 4 already there" in summary
    assert "6 rooms: 0 new, 6 already there, 0 failed" in summary
    assert counts(summary) == {"already there": 19, "in all": 19}


def test_an_export_that_grew_adds_what_is_new_at_the_end(tmp_path: Path) -> None:
    first, last = said(1, "first"), said(9, "last")
    run(general(tmp_path, first, last))
    late = said(5, "found later", user="U3", thread_ts=ts(1))
    summary = run(general(tmp_path, first, late, last, said(10, "newest")))
    assert bodies() == ["first", "last", "found later", "newest"]
    assert list(Message.objects.order_by("seq").values_list("seq", "pos")) == [
        *((1, 1), (2, 2), (3, 3), (4, 4))
    ]
    assert the("found later").reply_to == the("first")
    assert counts(summary) == {
        "messages": 1,
        "replies in threads": 1,
        "already there": 2,
        "in all": 4,
    }


def test_an_answer_finds_its_question_in_an_earlier_export(tmp_path: Path) -> None:
    run(general(tmp_path, said(1, "question")))
    run(general(tmp_path, said(2, "answer", thread_ts=ts(1))))
    assert the("answer").reply_to == the("question")


def test_what_people_said_here_meanwhile_stays_where_it_is(tmp_path: Path) -> None:
    run(general(tmp_path, said(1, "old")))
    here = Room.objects.get(slug="general")
    seq, pos = here.reserve(messages=1, changes=1)
    local = User.objects.create_user("local")
    Message.objects.create(room=here, seq=seq, pos=pos + 1, author=local, body="said here")
    run(general(tmp_path, said(1, "old"), said(2, "new")))
    rows = Message.objects.order_by("seq").values_list("body", "seq", "pos")
    assert list(rows) == [("old", 1, 1), ("said here", 2, 3), ("new", 3, 4)]


def test_a_change_made_here_is_not_undone(tmp_path: Path) -> None:
    export = general(tmp_path, said(1, "Hello"))
    run(export)
    Message.objects.update(body="Hello, world")
    Room.objects.update(slug="lounge", title="Lounge", topic="ours")
    User.objects.filter(username="ann").update(username="anna", display_name="Anna")
    Membership.objects.filter(user__username="bob").delete()  # a moderator removed him
    before = snapshot()
    run(export)
    assert snapshot() == before


def test_somebody_who_joined_since_becomes_a_member(tmp_path: Path) -> None:
    run(general(tmp_path, said(1)))
    join = said(2, "<@U3> has joined the channel", user="U3", subtype="channel_join")
    run(general(tmp_path, said(1), join))
    assert Membership.objects.filter(user__username="cy", room__slug="general").exists()


def test_nobody_claims_the_place_of_an_entry_by_posting_under_its_client_id(tmp_path: Path) -> None:
    run(general(tmp_path, said(1)))
    here = Room.objects.get(slug="general")
    forger = User.objects.create_user("forger")
    for number in (2, 9):
        seq, pos = here.reserve(messages=1)
        forged = client_id("C1", ts(number))
        Message.objects.create(
            room=here, seq=seq, pos=pos, author=forger, client_id=forged, body="forged"
        )
    answers = said(3, "one", thread_ts=ts(2)), said(4, "two", thread_ts=ts(9))
    summary = run(general(tmp_path, said(1), said(2, "true"), *answers))
    assert bodies() == ["Hello", "forged", "forged", "true", "one", "two"]
    assert the("one").reply_to == the("true")
    assert the("two").reply_to is None
    assert counts(summary)["already there"] == 1


# -- Those who are here already ---------------------------------------------------------------


def test_a_local_account_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    local = User.objects.create_user("Ann", password="her own", display_name="Ann")
    User.objects.create_user("ann-slack")
    run(general(tmp_path, said(1)))
    author = Message.objects.get().author
    assert author != local
    assert author.username == "ann-slack-2"
    assert author.display_name == "Ann"
    local.refresh_from_db()
    assert local.check_password("her own")
    assert not Membership.objects.filter(user=local).exists()


def test_two_people_of_one_name_stay_two(tmp_path: Path) -> None:
    users = [ANN, builder.user("U2", "Ann"), builder.user("U3", "änn ünd ☃!", deleted=True)]
    users.append(builder.user("U4", "☃"))
    run(general(tmp_path, said(1, "a"), said(2, "b", user="U2"), users=users))
    assert the("a").author != the("b").author
    names = set(User.objects.values_list("username", flat=True))
    assert names == {"ann", "Ann-slack", "änn-ünd", "slack-user"}
    for user in User.objects.all():
        user.full_clean(exclude=["password"])


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "open", "head": 1, "message_count": 1},
        {"kind": "open", "head": 1},  # its messages are gone; it has readers all the same
        {"kind": "open", "is_archived": True},
        {"kind": "private"},
    ],
)
def test_a_room_that_people_have_made_here_is_left_alone(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    local = Room.objects.create(slug="general")
    Room.objects.filter(pk=local.pk).update(**fields)  # a private one had that address
    before = Room.objects.filter(pk=local.pk).values().get()
    summary = run(general(tmp_path, said(1)))
    assert Room.objects.filter(pk=local.pk).values().get() == before
    assert bodies("general-slack") == ["Hello"]
    assert "general: /chat/general-slack/" in summary


def test_an_untouched_open_room_takes_the_channel_in(tmp_path: Path) -> None:
    local = Room.objects.create(slug="general", topic="set here")
    run(general(tmp_path, said(1)))
    local.refresh_from_db()
    assert bodies() == ["Hello"]
    assert (local.title, local.topic) == ("general", "set here")


def test_a_private_channel_never_comes_into_an_open_room(tmp_path: Path) -> None:
    Room.objects.create(slug="board")
    talk = {"board/2023-11-14.json": [said(1)], "D1/2023-11-14.json": [said(2, "two")]}
    groups = [room("G1", "board", "U1")]
    dms = [{"id": "D1", "members": ["U1", "U2"]}]
    run(builder.write(tmp_path, talk, channels=[], groups=groups, dms=dms))
    kinds = {message.body: message.room.kind for message in Message.objects.all()}
    assert kinds == {"Hello": "private", "two": "direct"}


def test_the_name_of_a_private_channel_is_no_address(
    tmp_path: Path, client: Client, settings: Any
) -> None:
    """It would answer that it is taken, and names are guessed."""
    settings.CHAT_GUESTS = True
    groups = [room("G1", "layoffs-2026", "U1"), room("G2", "mpdm-ann--bob-1", "U1", "U2")]
    groups.append(room("G3", "general", "U1"))
    talk = {"layoffs-2026/2023-11-14.json": [said(1)]}
    summary = run(builder.write(tmp_path, talk, channels=[], groups=groups))
    assert {r.title for r in Room.objects.all()} == {"layoffs-2026", "Ann, Bob", "general"}
    for slug in ("layoffs-2026", "mpdm-ann-bob-1", "general"):
        assert client.get(f"/chat/{slug}/").status_code == 200  # as at any free address
    assert "general-slack" not in summary
    run(builder.write(tmp_path, talk, channels=[], groups=groups))
    assert Room.objects.filter(kind="private").count() == 3
    assert Message.objects.get().room.title == "layoffs-2026"


def test_a_conversation_marked_private_is_private_whatever_list_it_is_in(tmp_path: Path) -> None:
    channels = [
        room("G1", "a", "U1", is_private=True),
        room("G2", "b", "U1", is_group=True),
        room("D3", "c", "U1", "U2", is_im=True),
    ]
    run(builder.write(tmp_path, channels=channels))
    assert set(Room.objects.values_list("kind", flat=True)) == {"private"}


def test_a_folder_that_two_lists_claim_belongs_to_the_more_private(tmp_path: Path) -> None:
    summary, error = run_failing(
        general(tmp_path, said(1, "secret"), groups=[room("G1", "general", "U1")])
    )
    assert "  general (C1 in channels.json)" in summary
    assert "1 room has no folder" in error
    assert Message.objects.get().room.kind == "private"
    assert Room.objects.open().get().message_count == 0


def test_who_left_a_private_channel_does_not_come_back(tmp_path: Path) -> None:
    # Cy was removed, which leaves no entry; the list of members knows.
    join = said(1, "joined", user="U3", subtype="group_join")
    groups = [room("G1", "board", "U1")]
    run(builder.write(tmp_path, {"board/2023-11-14.json": [join]}, channels=[], groups=groups))
    assert [m.user.username for m in Membership.objects.all()] == ["ann"]


def test_a_talk_with_oneself_is_a_private_room(tmp_path: Path) -> None:
    dms = [{"id": "D1", "members": ["U1", "U1"]}, {"id": "D2", "members": ["U1", "USLACKBOT"]}]
    talk = {"D1/2023-11-14.json": [said(1, "note to self")]}
    run(builder.write(tmp_path, talk, channels=[], dms=dms))
    assert Message.objects.get().room.kind == "private"
    assert Room.objects.get(kind="direct").memberships.count() == 2


def test_two_people_keep_their_one_direct_room(tmp_path: Path) -> None:
    run(builder.write(tmp_path, channels=[]))  # the people only
    low, high = User.objects.filter(username__in=["ann", "bob"]).order_by("pk")
    theirs = Room.objects.create(slug="x", kind="direct", direct_low=low, direct_high=high)
    dms = [{"id": "D1", "members": ["U1", "U2"]}]
    talk = {"D1/2023-11-14.json": [said(1)]}
    run(builder.write(tmp_path, talk, channels=[], dms=dms))
    assert Message.objects.get().room == theirs


def test_a_room_that_forgets_does_not_remember_again(tmp_path: Path) -> None:
    run(general(tmp_path))
    Room.objects.update(retention_days=30)
    summary = run(general(tmp_path, said(1)))
    assert counts(summary)["skipped: is older than the room keeps its messages"] == 1
    assert not Message.objects.exists()


# -- Order and time ---------------------------------------------------------------------------


def test_order_is_by_time_as_a_number(tmp_path: Path) -> None:
    def at(when: str, text: str) -> dict[str, Any]:
        return said(0, text) | {"ts": when}

    run(
        general(
            tmp_path,
            at("1700000000.000010", "d"),
            at("1000000000.999999", "b"),
            at("999999999.000001", "a"),
            at("1700000000.000009", "c"),
            at("99999999999.000002", "f"),  # as floats these two are one
            at("99999999999.000001", "e"),
        )
    )
    assert bodies() == list("abcdef")
    assert the("f").created_at == datetime(5138, 11, 16, 9, 46, 39, 2, UTC)


def test_at_one_time_the_order_of_the_file_holds(tmp_path: Path) -> None:
    summary = run(
        general(
            tmp_path,
            said(1, "z", user="U2"),
            said(1, "a", user="U1"),
            said(1, "z again", user="U2"),
            said(2, "to the first", thread_ts=ts(1)),
        )
    )
    assert bodies() == ["z", "a", "to the first"]
    assert the("to the first").reply_to == the("z")
    assert counts(summary)["skipped: comes twice in the export"] == 1
    assert_adds_up(summary)


def test_days_are_joined_whatever_file_they_are_in(tmp_path: Path) -> None:
    talk = {
        "general/2023-11-13.json": [said(5, "second"), said(1, "first")],
        "general/2023-11-14.json": [said(9, "fourth"), said(7, "third", thread_ts=ts(9))],
    }
    run(builder.write(tmp_path, talk))
    assert bodies() == ["first", "second", "third", "fourth"]
    assert the("third").reply_to == the("fourth")


def test_an_answer_stays_in_its_room(tmp_path: Path) -> None:
    talk = {
        "general/2023-11-14.json": [said(1, "question")],
        "other/2023-11-14.json": [said(2, "answer", thread_ts=ts(1))],
    }
    summary = run(
        builder.write(tmp_path, talk, channels=[room("C1", "general"), room("C2", "other")])
    )
    assert the("answer").reply_to is None
    assert f"other/2023-11-14.json: entry {ts(2)}: answers a message that is not there" in summary


# -- What does not fit ------------------------------------------------------------------------

ODD = [
    ("text", "is no object"),
    (None, "is no object"),
    ({"type": "message", "user": "U1", "text": "x"}, "has no time that can be read"),
    (said(1) | {"ts": 1700000000.5}, "has no time that can be read"),
    (said(1) | {"ts": "yesterday"}, "has no time that can be read"),
    (said(1) | {"ts": "1700000000"}, "has no time that can be read"),
    (said(1) | {"ts": "١٧٠٠٠٠٠٠٠٠.٠٠٠٠٠٠"}, "has no time that can be read"),
    (said(1) | {"ts": "999999999999.000000"}, "has no time that can be read"),
    (said(1) | {"type": "file"}, "is no message but of type 'file'"),
    (said(1, user=None), "does not say who wrote it"),
    (said(1, user={"id": "U1"}), "does not say who wrote it"),
    (said(1, user="../../U1"), "does not say who wrote it"),
    (said(1, user=None, subtype="bot_message"), "does not say who wrote it"),
    (said(1, subtype="message_changed"), "is a log line about another message"),
    (said(1, "", subtype="confetti"), "is of the unknown subtype 'confetti' and has no"),
    (said(1, "", subtype=["x"]), "is of the unknown subtype ['x'] and has no"),
]


@pytest.mark.parametrize(("entry", "why"), ODD)
def test_what_cannot_be_taken_is_counted_and_named(tmp_path: Path, entry: Any, why: str) -> None:
    export = general(tmp_path, said(0, "before"), entry, said(2, "after"))
    if why == "is a log line about another message":  # nothing is missing then
        summary = run(export)
    else:
        summary, error = run_failing(export)
        assert "1 entry could not be taken" in error
    assert bodies() == ["before", "after"]
    assert_adds_up(summary)
    assert counts(summary)["in all"] == 3
    assert re.search(
        rf"^  general/2023-11-14\.json: entry ({re.escape(ts(1))}|no\. 2): {re.escape(why)}",
        summary,
        re.MULTILINE,
    )


CHANGED = [
    ("nul \0 here", "nul � here", "had characters that cannot be stored"),
    ("half \ud83d here", "half � here", "had characters that cannot be stored"),
    ("", "(no text)", "has no text"),
    (" \n", "(no text)", "has no text"),
    (None, "(no text)", "has no text"),
    (17, "(no text)", "has no text"),
    ("x" * 50_000, "x" * 39_996 + " […]", "was longer than 40,000 characters"),
    ("&lt;" * 40_000, "<" * 40_000, None),
]


@pytest.mark.parametrize(("text", "body", "why"), CHANGED)
def test_a_text_that_cannot_stay_as_it_is_comes_in_changed_and_is_named(
    tmp_path: Path, text: Any, body: str, why: str | None
) -> None:
    summary = run(general(tmp_path, said(1, text)))
    assert bodies() == [body]
    assert counts(summary) == {"messages": 1, "in all": 1}
    if why is None:
        assert "Came in with a change" not in summary
    else:
        assert f"general/2023-11-14.json: entry {ts(1)}: {why}" in summary


def test_a_shout_of_odd_shape_harms_nobody(tmp_path: Path) -> None:
    """Every field of a wrong kind at once; the text is what matters."""
    odd = said(
        *(1, "Hello"),
        edited="yes",
        thread_ts=5,
        files={"a": 1},
        attachments=[1],
        reactions=[1, {"name": 2, "users": ["U1"]}, {"name": "x" * 99, "users": ["U1", 5]}, {}],
        user_profile=[],
    )
    run(general(tmp_path, odd))
    assert (Message.objects.get().body, Reaction.objects.count()) == ("Hello", 0)


def test_an_unknown_person_is_made_up_and_an_unknown_subtype_becomes_a_notice(
    tmp_path: Path,
) -> None:
    export = general(
        tmp_path, said(1, "Hi <@U1>", user="U404"), said(2, "Party", subtype="confetti")
    )
    summary = run(export)
    assert the("Hi @Ann").author.name == "unknown U404"
    assert the("Hi @Ann").author.is_active is False
    assert the("Party").kind == "notice"
    assert f"entry {ts(2)}: is of the unknown subtype 'confetti'; it became a notice" in summary
    assert counts(summary)["other notices"] == 1


def test_a_subtype_that_is_no_word_costs_nothing_else_in_its_room(tmp_path: Path) -> None:
    summary = run(general(tmp_path, said(1, "Odd", subtype={}), said(2, "Next")))
    assert (the("Odd").kind, the("Next").kind) == ("notice", "text")
    assert f"entry {ts(1)}: is of the unknown subtype {{}}; it became a notice" in summary


def test_a_bot_speaks_under_each_of_its_names(tmp_path: Path) -> None:
    def post(number: int, **fields: Any) -> dict[str, Any]:
        return said(number, f"post {number}", user=None, subtype="bot_message") | fields

    run(
        general(
            tmp_path,
            post(1, bot_id="B1", username="Rain"),
            post(2, bot_id="B1", username="Sun"),
            post(3, bot_id="B1", username="Rain"),
            post(4, bot_id="B2", bot_profile={"name": "Ann"}),
            post(5, bot_id="B3"),
            said(6, "post 6", bot_id="B4"),  # an app that posts as Ann's own account
        )
    )
    messages = Message.objects.order_by("seq")
    assert [m.author.name for m in messages] == ["Rain", "Sun", "Rain", "Ann", "bot B3", "Ann"]
    assert {m.kind for m in messages} == {"bot"}
    assert messages[0].author == messages[2].author
    assert messages[3].author != messages[5].author  # a bot that calls itself Ann is not Ann


def test_files_become_links(tmp_path: Path) -> None:
    def share(number: int, **file: Any) -> dict[str, Any]:
        return said(number, "", files=[file])

    run(
        general(
            tmp_path,
            share(1, id="F1", title="Plan", permalink="https://f.test/1"),
            share(2, id="F2", name="a.txt", url_private="https://f.test/2?t=xoxe-1&x=2#y"),
            share(3, id="F3", name="b.txt"),
            share(4, id="F4", mode="tombstone"),
            share(5, id="F5", name="evil", permalink="javascript:alert(1)"),
            share(6, id="F6", name="odd", permalink="https://[", url_private="https://f.test/6"),
        )
    )
    assert bodies() == [
        "Plan (https://f.test/1)",
        "a.txt (https://f.test/2#y)",
        "b.txt",
        "(a file that was deleted)",
        "evil",
        "odd (https://f.test/6)",
    ]


def test_two_names_of_one_emoji_are_one_reaction(tmp_path: Path) -> None:
    reactions = [{"name": "+1", "users": ["U1", "U2"]}, {"name": "thumbsup", "users": ["U1"]}]
    many = [{"name": f"custom_{n}", "users": ["U1"]} for n in range(60)]
    summary = run(general(tmp_path, said(1, reactions=reactions), said(2, "busy", reactions=many)))
    assert the("Hello").reactions.count() == 2
    assert the("busy").reactions.count() == Reaction.DISTINCT_MAX
    assert "has too many kinds of reactions" in summary


def test_a_folder_of_no_listed_room_stays_out(tmp_path: Path) -> None:
    """Nobody can tell who may read it."""
    talk = {"secret/2023-11-14.json": [said(1), "x"], "general/2023-11-14.json": [said(1, "here")]}
    summary, error = run_failing(builder.write(tmp_path, talk))
    assert bodies() == ["here"]
    assert counts(summary) == {"messages": 1, "in folders that belong to no room": 2, "in all": 3}
    assert "  secret: 2 entries" in summary
    assert "1 folder belongs to no room" in error


def test_a_room_without_a_folder_is_named_and_the_rest_comes_in(tmp_path: Path) -> None:
    export = general(tmp_path, said(1), channels=[builder.GENERAL, room("C2", "plaza")])
    (export / "plaza").rmdir()
    summary, error = run_failing(export)
    assert bodies() == ["Hello"]
    assert "  plaza (C2 in channels.json)" in summary
    assert "1 room has no folder" in error


def test_files_that_fit_nothing_are_named_and_counted(tmp_path: Path) -> None:
    strange = ("general/canvas.json", "general/plan.png", "notes.txt", "general/notes.json")
    talk = {"general/2023-11-14.json": [said(1)]} | dict.fromkeys(strange, "{}")
    summary, error = run_failing(builder.write(tmp_path, talk))
    for name in strange:
        assert f"  {name}\n" in summary
    assert "4 files fit nothing" in error
    assert counts(summary) == {"messages": 1, "in all": 1}


def test_what_slack_puts_beside_the_talk_is_named_and_no_failure(tmp_path: Path) -> None:
    beside = ("integration_logs.json", "canvases.json", "general/canvas_in_the_conversation.json")
    talk = {"general/2023-11-14.json": [said(1)]} | dict.fromkeys(beside, "[{}]")
    talk |= dict.fromkeys((".DS_Store", "general/._2023-11-14.json", "__MACOSX/x/y.json"), "x")
    summary = run(builder.write(tmp_path, talk))
    for name in beside:
        assert f"  {name}\n" in summary
    assert "DS_Store" not in summary
    assert "MACOSX" not in summary


def test_long_lists_of_names_are_cut_unless_asked_for(tmp_path: Path) -> None:
    export = general(tmp_path, *["x"] * 30)
    summary, _ = run_failing(export)
    assert "… and 10 more: is no object (--verbosity 2 names them all)" in summary
    summary, _ = run_failing(export, verbosity=2)
    assert summary.count("is no object\n") == 31  # with the count


def test_a_name_cannot_command_the_terminal(tmp_path: Path) -> None:
    Room.objects.create(slug="evil", head=1)
    channels = [room("C1", "\x1b[2Jevil")]
    Room.objects.create(slug="2jevil", head=1)
    summary = run(builder.write(tmp_path, channels=channels))
    assert "evil: /chat/" in summary
    assert "\x1b" not in summary


# -- Failures ---------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_named_and_the_rest_comes_in(tmp_path: Path) -> None:
    talk = {"general/2023-11-13.json": "[{", "general/2023-11-14.json": [said(1)]}
    summary, error = run_failing(builder.write(tmp_path, talk))
    assert bodies() == ["Hello"]
    assert "general/2023-11-13.json: is not JSON" in summary
    assert "1 file could not be read" in error
    assert_adds_up(summary)


@pytest.fixture
def explosive_text() -> None:
    """A database that refuses one text, as a full disk or a broken index would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE chat_message ADD CONSTRAINT no_booms CHECK (body <> 'boom') NOT VALID"
        )


@pytest.mark.usefixtures("explosive_text")
def test_one_room_fails_without_harming_the_others(tmp_path: Path) -> None:
    talk: dict[str, Any] = {
        "a/2023-11-14.json": [said(1, "fine")],
        "b/2023-11-14.json": [said(2, "also fine", reactions=[]), said(3, "boom"), "odd"],
        "c/2023-11-14.json": [said(4, "fine too", user="U404")],
    }
    channels = [room("C1", "a"), room("C2", "b", "U1"), room("C3", "c")]
    summary, error = run_failing(builder.write(tmp_path, talk, channels=channels))
    assert set(Message.objects.values_list("body", flat=True)) == {"fine", "fine too"}
    assert not Room.objects.filter(slug="b").exists()
    assert "3 rooms: 2 new, 0 already there, 1 failed" in summary
    assert re.search(r"^  b: CheckViolation: .*no_booms", summary, re.MULTILINE)
    assert counts(summary)["in rooms that failed"] == 3
    assert_adds_up(summary)
    assert "1 room failed." in error
    talk["b/2023-11-14.json"][1]["text"] = "calm"
    summary, error = run_failing(builder.write(tmp_path, talk, channels=channels))
    assert "room" not in error
    assert counts(summary) == {
        "messages": 2,
        "already there": 2,
        "not taken: is no object": 1,
        "in all": 5,
    }


def test_a_path_that_is_no_export_is_one_clear_line(tmp_path: Path) -> None:
    assert "does not exist" in run_failing(tmp_path / "nowhere")[1]
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert "neither a folder nor a zip" in run_failing(tmp_path / "x.zip")[1]
    assert "no Slack export that can be read: it has no users.json" in run_failing(tmp_path)[1]


def test_two_imports_do_not_run_at_once(tmp_path: Path) -> None:
    params = connection.get_connection_params()
    keys = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{k: params[k] for k in keys if params.get(k)}) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        assert "Another import is running" in run_failing(general(tmp_path, said(1)))[1]
        other.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    assert not User.objects.exists()
    run(general(tmp_path, said(1)))
    assert bodies() == ["Hello"]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_shows_the_progress_where_a_person_looks_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = general(tmp_path, said(1))
    for stream, shown in ((Terminal(), True), (StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert "Importing" not in run(export)  # the summary stays free of it
        assert ("Importing: 100%" in stream.getvalue()) is shown


def test_help_says_what_happens_to_names_that_are_taken() -> None:
    shown = subprocess.run(
        [sys.executable, "manage.py", "import_slack", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for promise in ("a local account of the same name is never touched", '"general-slack"'):
        assert promise in shown


# -- At its real size -------------------------------------------------------------------------


def test_a_community_comes_in_whole() -> None:
    """With the real export where it is at hand; a made-up one of its size is tested below."""
    export = COMMUNITY if COMMUNITY.is_dir() else GARDEN_CLUB
    users = json.loads((export / "users.json").read_text())
    entries = {
        (channel["id"], entry["ts"]): entry
        for channel in json.loads((export / "channels.json").read_text())
        for file in (export / channel["name"]).glob("*.json")
        for entry in json.loads(file.read_text())
    }
    summary = run(export)
    assert_adds_up(summary)
    assert counts(summary) == census(export)
    assert f"{len(users):,} people: {len(users):,} new" in summary
    stored = Message.objects.in_bulk(field_name="pk")
    by_key = {(m.room_id, m.client_id): m for m in stored.values()}
    rooms = dict(Imported.objects.exclude(room=None).values_list("key", "room_id"))
    people = dict(Imported.objects.exclude(user=None).values_list("key", "user_id"))
    for (channel, when), entry in entries.items():
        message = by_key[rooms[channel], client_id(channel, when)]
        assert f"{message.created_at:%s}.{message.created_at.microsecond:06}" == when
        assert (message.edited_at is not None) == ("edited" in entry)
        if entry.get("user"):
            assert message.author_id == people[entry["user"]]
        parent = entries.get((channel, entry.get("thread_ts")))
        if parent is None or parent is entry:
            assert message.reply_to_id is None
        else:
            answered = by_key[rooms[channel], client_id(channel, parent["ts"])]
            assert message.reply_to_id == answered.pk
    for here in Room.objects.all():
        messages = list(here.messages.order_by("seq"))
        assert [m.seq for m in messages] == list(range(1, here.message_count + 1))
        assert [m.created_at for m in messages] == sorted(m.created_at for m in messages)
    assert not Message.objects.filter(body__regex=r"<[@#!]\w+(\||>)|<https?:|&(lt|gt);").exists()
    if export is COMMUNITY:
        assert "78 rooms: 78 new, 0 already there, 0 failed" in summary
        assert "457 people: 457 new, 0 already there" in summary
        assert "5,038 entries read:" in summary
        assert Message.objects.count() == 5_038
    before = snapshot()
    run(export)
    assert snapshot() == before


def test_a_made_up_community_comes_in_whole(tmp_path: Path) -> None:
    rng = random.Random(7)
    users = [builder.user(f"U{n}", f"person{n}") for n in range(400)]
    channels, talk, total, replies = [], {}, 0, 0
    for number in range(60):
        entries: list[dict[str, Any]] = []
        for n in range(rng.randrange(20, 160)):
            entry = said(n * 60, f"line {n} <@U{n}>", user=f"U{rng.randrange(400)}")
            if entries and rng.random() < 0.2:
                entry["thread_ts"] = rng.choice(entries)["ts"]
                replies += 1
            entries.append(entry)
        total += len(entries)
        channels.append(room(f"C{number}", f"room-{number}", "U1", "U2"))
        rng.shuffle(entries)
        talk[f"room-{number}/2023-11-14.json"] = entries[::2]
        talk[f"room-{number}/2023-11-15.json"] = entries[1::2]
    export = builder.write(tmp_path, talk, users=users, channels=channels)
    summary = run(export)
    assert counts(summary) == {
        "messages": total - replies,
        "replies in threads": replies,
        "in all": total,
    }
    for here in Room.objects.all():
        rows = list(here.messages.order_by("seq").values_list("seq", "pos", "body"))
        expected = enumerate((body for _, _, body in rows), 1)
        assert rows == [(n, n, body) for n, body in expected]
        assert [int(body.split()[1]) for _, _, body in rows] == list(range(len(rows)))
    assert counts(run(export)) == {"already there": total, "in all": total}
    assert BOB["id"] == "U2"
