"""Slack says a message in several places; a message here has what a reader of Slack saw."""

from pathlib import Path
from typing import Any

import pytest

from chat.models import Message
from chat.slack.bodies import Body, body_of
from chat.slack.entries import read_entry
from chat.slack.markup import Names
from core.models import User
from tests.chat.slack import builder
from tests.chat.slack.builder import general, room, said, ts
from tests.chat.slack.command import bodies, counts, run, the

NAMES = Names(
    users={"U1": "Ann", "U2": "Ben"},
    rooms={"C1": "general"},
    private=frozenset({"G1", "G2"}),
)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def rich(*elements: Any) -> dict[str, Any]:
    parts = [{"type": "rich_text_section", "elements": list(elements)}]
    return {"type": "rich_text", "elements": parts}


def read(text: Any = "", *attachments: Any, room_id: str = "C1", **more: Any) -> Body:
    raw = said(1, text, attachments=list(attachments)) | more
    return body_of(read_entry(raw, "a.json", 1), NAMES, room_id)


# -- Nine messages that came in poor or not at all --------------------------------------------

PLACES = [
    said(
        *(1, "This content can't be displayed.", None),
        subtype="bot_message",
        bot_id="B1",
        username="poll",
        blocks=[section("Lunch? *Pizza* or <https://example.org/soup|soup>")],
    ),
    said(
        *(2, ""),
        blocks=[
            rich(
                {"type": "text", "text": "see "},
                {"type": "link", "url": "https://example.org/plan", "text": "the plan"},
                {"type": "text", "text": ", "},
                {"type": "user", "user_id": "U1"},
            )
        ],
    ),
    said(
        *(3, "", None),
        subtype="bot_message",
        bot_id="B2",
        username="build",
        attachments=[
            {
                "title": "Build 7",
                "fields": [
                    {"title": "Result", "value": "failed"},
                    {"title": "Branch", "value": "main"},
                ],
            }
        ],
    ),
    said(
        *(4, "", None),
        subtype="bot_message",
        bot_id="B2",
        username="build",
        attachments=[
            {"fallback": "[no preview available]", "blocks": [section("Deployed to staging")]}
        ],
    ),
    said(
        *(5, "look at this"),
        attachments=[{"is_share": True, "author_name": "Ben", "text": "the plan is on Tuesday"}],
    ),
    said(
        *(6, "", None),
        subtype="file_comment",
        comment={"id": "Fc1", "user": "U1", "comment": "Nice picture"},
    ),
    said(7, "no user, only a name", None, username="webhook"),
    said(
        *(8, "hello from outside <@U9>", "U9"),
        user_profile={"display_name": "Eve", "real_name": "Eve Partner"},
    ),
    said(
        *(9, "https://example.org/page"),
        attachments=[
            {
                "from_url": "https://example.org/page",
                "original_url": "https://example.org/page",
                "title": "A page",
                "text": "What the page says",
            }
        ],
    ),
]


@pytest.mark.django_db
def test_a_message_has_what_a_reader_of_slack_saw_wherever_slack_says_it(tmp_path: Path) -> None:
    summary = run(general(tmp_path, *PLACES))
    messages = Message.objects.order_by("seq")
    assert [(message.author.name, message.kind, message.body) for message in messages] == [
        ("poll", "bot", "Lunch? *Pizza* or soup (https://example.org/soup)"),
        ("Ann", "text", "see the plan (https://example.org/plan), @Ann"),
        ("build", "bot", "Build 7\nResult: failed\nBranch: main"),
        ("build", "bot", "Deployed to staging"),
        ("Ann", "text", "look at this\nBen: the plan is on Tuesday"),
        ("Ann", "text", "Nice picture"),
        ("webhook", "bot", "no user, only a name"),
        ("Eve", "text", "hello from outside @Eve"),
        ("Ann", "text", "https://example.org/page"),
    ]
    assert "Left out of them: 1 previews of links\n" in summary
    assert counts(summary) == {"messages": 4, "comments on files": 1, "bot posts": 4, "in all": 9}


@pytest.mark.django_db
def test_what_is_left_out_is_counted_by_its_kind_over_all_rooms(tmp_path: Path) -> None:
    image, button = {"type": "image"}, {"type": "button"}
    pressed = {"type": "actions", "elements": [button, button]}
    talk = {
        "general/2023-11-14.json": [said(1, blocks=[section("a"), image, pressed])],
        "plaza/2023-11-14.json": [
            said(2, blocks=[section("b"), image, {"type": "hologram"}]),
            said(3, attachments=[{"text": "c", "image_url": "https://x.test/i.png"}]),
        ],
    }
    channels = [builder.GENERAL, room("C2", "plaza")]
    summary = run(builder.write(tmp_path, talk, channels=channels))
    assert (
        "Left out of them: 1 blocks of the unknown kind 'hologram', 2 buttons, 3 images\n"
    ) in summary


@pytest.mark.django_db
def test_somebody_of_another_organization_has_their_name_in_every_room(tmp_path: Path) -> None:
    """Also where they did not write, and before the room in which they did."""
    profile = {"display_name": "", "real_name": "Eve Partner"}
    talk = {
        "general/2023-11-14.json": [said(1, "<@U9>?", reactions=[{"name": "x", "users": ["U9"]}])],
        "plaza/2023-11-14.json": [
            said(2, "here", "U9", user_profile=profile, user_team="T2", source_team="T2")
        ],
    }
    run(builder.write(tmp_path, talk, channels=[builder.GENERAL, room("C2", "plaza")]))
    assert bodies() == ["@Eve Partner?"]
    assert the("here").author.name == "Eve Partner"
    assert not User.objects.filter(display_name__startswith="unknown").exists()


# -- Text and blocks --------------------------------------------------------------------------


def test_blocks_go_before_the_text_that_stands_in_for_them() -> None:
    assert read("stand-in", blocks=[section("true")]).text == "true"
    assert read("stand-in", blocks=[{"type": "hologram"}]).text == "stand-in"
    assert read("stand-in", blocks=[{"type": "divider"}]).text == "stand-in"
    assert read("stand-in", blocks="x").text == "stand-in"


def test_a_notice_keeps_its_own_words() -> None:
    words = "<@U1> pinned a message to this channel."
    pinned = {"is_msg_unfurl": True, "author_id": "U2", "text": "the plan"}
    body = read(words, pinned, subtype="pinned_item", blocks=[section("x")])
    assert body.text == "pinned a message to this channel.\nBen: the plan"
    assert read("", subtype="huddle_thread").text == "started a huddle"


def test_files_stand_between_the_text_and_what_hangs_below() -> None:
    file = {"id": "F1", "title": "Plan", "permalink": "https://f.test/1"}
    body = read("", {"text": "below"}, files=[file], blocks=[section("above")])
    assert body.text == "above\nPlan (https://f.test/1)\nbelow"
    assert read("", file=file).text == "Plan (https://f.test/1)"  # of old


def with_comment(comment: str, user: str = "U1") -> dict[str, Any]:
    file = {"id": "F1", "title": "Plan", "permalink": "https://f.test/1"}
    return file | {"initial_comment": {"comment": comment, "user": user}}


def test_what_was_said_with_a_file_stands_below_it() -> None:
    for user, shown in (("U1", "mind <page 2>, @Ben"), ("U2", "Ben: mind <page 2>, @Ben")):
        file = with_comment("mind &lt;page 2&gt;, <@U2>", user)
        for entry in ({"files": [file]}, {"file": file, "subtype": "file_share"}):
            assert read("", **entry).text == f"Plan (https://f.test/1)\n{shown}"
    other = {"title": "Map", "url_private": "https://f.test/2"}
    body = read("both", files=[with_comment("bot"), other])
    assert body.text == "both\nPlan (https://f.test/1)\nbot\nMap (https://f.test/2)"
    share = {"is_share": True, "author_id": "U2", "files": [with_comment("mind it", "U2")]}
    assert read("look", share).text == "look\nBen: Plan (https://f.test/1)\nmind it"


def test_what_was_said_with_a_file_comes_once() -> None:
    text = "<@U1> uploaded a file: <https://f.test/F1|Plan> and commented: Nice &amp; new"
    file = with_comment("Nice &amp; new")
    body = read(text, file=file, subtype="file_share")
    assert body.text == "uploaded a file: Plan (https://f.test/F1) and commented: Nice & new"
    assert read("Nice &amp; new", files=[file]).text == "Nice & new\nPlan (https://f.test/1)"
    share = {"is_share": True, "text": "Nice &amp; new", "files": [file]}
    assert read("", share).text == "Nice & new\nPlan (https://f.test/1)"


def test_a_later_comment_on_a_file_does_not_say_the_first_again() -> None:
    later = {"subtype": "file_comment", "file": with_comment("Nice")}
    body = read("", comment={"user": "U2", "comment": "Not so nice"}, **later)
    assert body.text == "Not so nice\nPlan (https://f.test/1)"
    assert +body.left == {"first comments on files": 1}
    body = read("", comment={"user": "U1", "comment": "Nice"}, **later)
    assert (body.text, +body.left) == ("Nice\nPlan (https://f.test/1)", {})


def test_a_comment_on_a_file_of_old_says_which_file() -> None:
    text = "<@U1> commented on <@U2>’s file <https://f.test/1|Plan>: Nice"
    body = read(text, subtype="file_comment", comment={"user": "U1", "comment": "Nice"})
    assert body.text == "commented on @Ben’s file Plan (https://f.test/1): Nice"


# -- Attachments ------------------------------------------------------------------------------


def test_what_an_app_posts_reads_from_top_to_bottom() -> None:
    body = read(
        "Pushed",
        {
            "pretext": "to <https://a.test|main>",
            "author_name": "ann",
            "author_subname": "(she)",
            "title": "Fix &amp; mend",
            "title_link": "https://a.test/1",
            "text": "*two* files",
            "fields": [{"title": "By", "value": "<@U1>"}, {"value": "alone"}, {"title": "x"}, 7],
            "footer": "Forge",
            "fallback": "never",
            "image_url": "https://a.test/i.png",
            "thumb_url": "https://a.test/t.png",
            "actions": [{"type": "button"}, {"type": "select"}],
        },
        {"fallback": "only this"},
        {"fallback": "[no preview available]"},
    )
    assert body.text.split("\n") == [
        "Pushed",
        "to main (https://a.test)",
        "ann (she)",
        "Fix & mend (https://a.test/1)",
        "*two* files",
        "By: @Ann",
        "alone",
        "x",
        "Forge",
        "only this",
    ]
    assert +body.left == {"images": 2, "buttons": 1, "menus": 1}


def test_blocks_of_an_attachment_go_before_its_old_fields() -> None:
    stale = {"title": "old", "text": "old", "blocks": [section("new")]}
    assert read("", stale).text == "new"


@pytest.mark.parametrize("key", ["from_url", "original_url", "app_unfurl_url"])
def test_what_slack_found_behind_a_link_is_left_out_where_the_link_is_there(key: str) -> None:
    preview = {key: "https://a.test", "title": "A page"}
    body = read("see https://a.test", preview)
    assert (body.text, +body.left) == ("see https://a.test", {"previews of links": 1})
    assert read("", preview).text == "A page"  # else there is nothing to see


def test_a_shared_message_stands_below_its_comment_with_its_author() -> None:
    blocks = [{"message": {"blocks": [section("in *blocks*")]}}, {"message": 7}, {}]
    share = {"is_share": True, "text": "in text"}
    for attachment, shown in (
        (share | {"author_id": "U2", "author_name": "ben.old"}, "Ben: in text"),
        (share | {"author_id": "U9", "author_name": "Zoe"}, "Zoe: in text"),
        (share | {"author_subname": "zoe"}, "zoe: in text"),
        (share, "in text"),
        (share | {"author_name": "Zoe", "message_blocks": blocks}, "Zoe: in *blocks*"),
        ({"is_msg_unfurl": True, "author_name": "Zoe", "fallback": "as it was"}, "Zoe: as it was"),
        (
            {"is_share": True, "author_name": "Zoe", "files": [{"name": "a.png"}]},
            "Zoe: a.png",
        ),
    ):
        assert read("look", attachment | {"from_url": "https://s.test"}).text == f"look\n{shown}"


def test_what_was_said_in_a_private_room_is_not_shown_in_another() -> None:
    share = {"is_msg_unfurl": True, "channel_id": "G1", "author_name": "Ben", "text": "the merger"}
    body = read("see", share)
    assert (body.text, +body.left) == ("see", {"messages shared from private rooms": 1})
    assert read("see", share, room_id="G2").text == "see"
    assert read("see", share, room_id="G1").text == "see\nBen: the merger"
    assert read("see", share | {"channel_id": "C1"}).text == "see\nBen: the merger"


@pytest.mark.parametrize(
    "source",
    [
        {"channel_id": "C9"},
        {"from_url": "https://s.test/archives/C9/p1531420618000100"},
        {"from_url": "https://s.test/archives/G1/p1531420618000100"},
        {"channel_id": "C9", "from_url": "https://s.test/archives/C1/p1531420618000100"},
    ],
)
def test_a_room_that_the_export_does_not_list_counts_as_private(source: dict[str, str]) -> None:
    share = {"is_share": True, "author_name": "Ben", "text": "the merger"} | source
    body = read("see", share)
    assert (body.text, +body.left) == ("see", {"messages shared from private rooms": 1})


def test_the_address_of_a_shared_message_says_which_room_it_is_from() -> None:
    share = {"is_share": True, "author_name": "Ben", "text": "hello"}
    share["from_url"] = "https://s.test/archives/C1/p1531420618000100"
    assert read("see", share, room_id="G2").text == "see\nBen: hello"


@pytest.mark.django_db
def test_an_export_of_the_open_rooms_alone_shows_nothing_of_others(tmp_path: Path) -> None:
    """Slack's ordinary export has no groups.json: nothing in it says that G1 is private."""
    share = {"is_msg_unfurl": True, "channel_id": "G1", "author_name": "Ben", "text": "the merger"}
    report = run(general(tmp_path, said(1, "see", attachments=[share])))
    assert Message.objects.get().body == "see"
    assert "messages shared from private rooms" in report


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, [[]]])
def test_fields_of_the_wrong_kind_harm_nothing(odd: Any) -> None:
    keys = ("text", "title", "fields", "files", "blocks", "message_blocks", "actions", "author_id")
    for flags in ({}, {"is_share": True}, {"from_url": "https://a.test"}):
        assert read("said", dict.fromkeys(keys, odd) | flags).text.startswith("said")
    raw = {"file": odd, "files": odd, "blocks": odd, "attachments": odd, "comment": odd}
    assert read("said", **raw).text.startswith("said")


def test_characters_that_cannot_be_stored_are_replaced_wherever_they_stand() -> None:
    bad = "a\0b\ud83d"
    share = {"is_share": True, "author_name": bad, "text": bad}
    block = rich({"type": "link", "url": bad, "text": bad}, {"type": "emoji", "name": bad})
    bodies = (
        read(bad),
        read("", {"title": bad, "fields": [{"title": bad, "value": bad}], "footer": bad}),
        read(bad, share),
        read("", blocks=[block, section(bad)]),
        read("", files=[{"title": bad}]),
    )
    for body in bodies:
        body.text.encode()
        assert "\0" not in body.text


# -- Who wrote it -----------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a" * 300, "a" * 80),
        ("two\nlines \t here", "two lines here"),
        ("\u202eevil", "evil"),
        ("\u200b", "ann"),
        ("", "ann"),
        ("\0", "\ufffd"),
        ("Moderator ✓", "ann"),
        ("Ann (admin)", "Ann"),
        ("\u3164\u2800", "ann"),
    ],
)
def test_a_name_is_one_line_that_can_be_seen(tmp_path: Path, name: str, shown: str) -> None:
    users = [{"id": "U1", "name": "ann", "profile": {"display_name": name}}]
    run(general(tmp_path, said(1, "<@U1>"), users=users))
    message = Message.objects.get()
    assert (message.author.name, message.body) == (shown, f"@{shown}")


@pytest.mark.django_db
def test_who_has_a_name_that_nobody_may_have_is_named_in_the_report(tmp_path: Path) -> None:
    users = [{"id": "U1", "name": "admin", "profile": {"display_name": "Moderator ✓"}}]
    summary = run(general(tmp_path, said(1), users=users))
    assert "users.json: entry 1: 'Moderator ✓' is called 'U1'" in summary
    author = Message.objects.get().author
    assert (author.username, author.name) == ("slack-user", "U1")


@pytest.mark.django_db
def test_people_without_any_name_are_called_by_their_id(tmp_path: Path) -> None:
    run(general(tmp_path, said(1), users=[{"id": "U1"}, {"id": "U2", "profile": None}]))
    assert Message.objects.get().author.name == "U1"


@pytest.mark.django_db
def test_reactions_beyond_what_a_message_takes_are_left_out_and_named(tmp_path: Path) -> None:
    crowd = [f"U{number}" for number in range(1_200)]
    users = [builder.user(one, one.lower()) for one in crowd]
    reactions = [{"name": "+1", "users": crowd}]
    summary = run(general(tmp_path, said(1, reactions=reactions), users=users))
    assert Message.objects.get().reactions.count() == 1_000
    assert f"entry {ts(1)}: has too many reactions; some left out" in summary
