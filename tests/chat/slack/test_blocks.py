"""Blocks and rich text as text. Their kinds and fields: Slack's reference of Block Kit."""

from collections import Counter
from typing import Any

import pytest

from chat.slack.blocks import blocks_text
from chat.slack.markup import Names

NAMES = Names(users={"U1": "Ann"}, rooms={"C1": "general"}, private=frozenset({"G1"}))


def read(*blocks: Any) -> tuple[str, dict[str, int]]:
    left: Counter[str] = Counter()
    return blocks_text(list(blocks), NAMES, left), dict(left)


def rich(*parts: Any) -> str:
    text, left = read({"type": "rich_text", "elements": list(parts)})
    assert left == {}
    return text


def section(*elements: Any) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def text(text: str, **style: bool) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"style": style} if style else {})


def test_what_follows_an_address_without_a_space_is_no_part_of_it() -> None:
    address = {"type": "link", "url": "https://a.test/x_(y)"}
    assert rich(section(address, text("を見て"))) == "https://a.test/x_(y) を見て"
    assert rich(section(address, text("😄"))) == "https://a.test/x_(y) 😄"
    assert rich(section(address, text("。次"))) == "https://a.test/x_(y)。次"
    assert rich(section(address, address)) == "https://a.test/x_(y) https://a.test/x_(y)"


def items(style: str, *texts: str, **more: int) -> dict[str, Any]:
    elements = [section(text(one)) for one in texts]
    return {"type": "rich_text_list", "style": style, "elements": elements} | more


@pytest.mark.parametrize(
    ("element", "shown"),
    [
        (text("a < b &amp; *c* :d:"), "a < b &amp; *c* :d:"),
        (text("strong", bold=True), "*strong*"),
        (text(" soft ", italic=True), " _soft_ "),
        (text("all", bold=True, italic=True, strike=True, code=True), "*_~`all`~_*"),
        (text(" ", bold=True), " "),
        ({"type": "link", "url": "https://a.test"}, "https://a.test"),
        ({"type": "link", "url": "https://a.test", "text": "here"}, "here (https://a.test)"),
        ({"type": "user", "user_id": "U1"}, "@Ann"),
        ({"type": "user", "user_id": "U9"}, "@unknown U9"),
        ({"type": "channel", "channel_id": "C1"}, "#general"),
        ({"type": "channel", "channel_id": "G1"}, "#private-channel"),
        ({"type": "usergroup", "usergroup_id": "S1"}, "@group"),
        ({"type": "broadcast", "range": "here"}, "@here"),
        ({"type": "emoji", "name": "smile"}, "😄"),
        ({"type": "emoji", "name": "wave", "skin_tone": 3}, "👋🏼"),
        ({"type": "emoji", "name": "sauropod", "unicode": "1f995"}, "🦕"),
        ({"type": "emoji", "name": "our_logo"}, ":our_logo:"),
        ({"type": "emoji", "name": "odd", "unicode": "zz"}, ":odd:"),
        ({"type": "emoji", "name": "odd", "unicode": "ffffffff"}, ":odd:"),
        ({"type": "color", "value": "#ff8800"}, "#ff8800"),
        ({"type": "date", "timestamp": 1_700_000_000, "fallback": "14 Nov"}, "14 Nov"),
        ({"type": "date", "timestamp": 1_700_000_000}, "2023-11-14 22:13 UTC"),
        ({"type": "date", "timestamp": "x"}, "a date"),
        ({"type": "news", "text": "still said"}, "still said"),
    ],
)
def test_each_element_of_rich_text_reads_as_its_plain_form(
    element: dict[str, Any], shown: str
) -> None:
    assert rich(section(text("<"), element, text(">"))) == f"<{shown}>"


def test_lists_are_indented_and_numbered() -> None:
    shown = rich(
        section(text("do:\n")),
        items("bullet", "a", "b"),
        items("bullet", "deeper", indent=1),
        items("ordered", "one", "two"),
        items("ordered", "three", offset=2),
    )
    assert shown == "do:\n• a\n• b\n    ◦ deeper\n1. one\n2. two\n3. three"


def test_quotes_and_code_keep_their_marks() -> None:
    quote = {"type": "rich_text_quote", "elements": [text("one\ntwo")]}
    code = {"type": "rich_text_preformatted", "elements": [text("if a < b:\n  :smile:", bold=True)]}
    assert rich(quote, code) == "> one\n> two\n```if a < b:\n  :smile:```"


def test_blocks_read_from_top_to_bottom() -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}}
    shown, left = read(
        {"type": "header", "text": {"type": "plain_text", "text": "News :tada:", "emoji": True}},
        {"type": "divider"},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*Ask* <@U1> &amp; <https://a.test|us>"},
            "fields": [{"type": "mrkdwn", "text": "Result: ok"}, {"type": "x"}, 7],
            "accessory": {"type": "image", "image_url": "https://a.test/x.png"},
        },
        {
            "type": "context",
            "elements": [
                {"type": "image", "alt_text": "face"},
                {"type": "plain_text", "text": "by <you>", "emoji": False},
                {"type": "mrkdwn", "text": "today"},
            ],
        },
        {"type": "actions", "elements": [button, {"type": "static_select"}, {"type": "overflow"}]},
        {"type": "image", "title": {"type": "plain_text", "text": "A view"}, "image_url": "x"},
        {"type": "markdown", "text": "**as it is** <@U1>"},
        {
            "type": "video",
            "title": {"type": "plain_text", "text": "How"},
            "title_url": "https://v.test",
            "description": {"type": "plain_text", "text": "to do it"},
        },
        {
            "type": "table",
            "rows": [[{"type": "raw_text", "text": "a"}, {"type": "raw_text", "text": "b"}], 5],
        },
        {
            "type": "input",
            "label": {"type": "plain_text", "text": "Your name"},
            "element": {"type": "plain_text_input"},
        },
        {"type": "call", "call": {"v1": {"name": "Weekly"}}},
    )
    assert shown.split("\n") == [
        "News 🎉",
        "*Ask* @Ann & us (https://a.test)",
        "Result: ok",
        "by <you> today",
        "A view",
        "**as it is** <@U1>",
        "How (https://v.test)",
        "to do it",
        "a | b",
        "Your name",
        "Weekly",
    ]
    assert left == {"images": 3, "buttons": 2, "menus": 1, "videos": 1, "inputs": 1}


def test_what_nobody_knows_is_counted_by_its_kind() -> None:
    strange = {"type": "rich_text", "elements": [section({"type": "hologram"}), {"type": "spiral"}]}
    assert read({"type": "carousel"}, {"type": "carousel"}, {}, strange) == (
        "",
        {
            "blocks of the unknown kind 'carousel'": 2,
            "blocks of the unknown kind None": 1,
            "text of the unknown kind 'hologram'": 1,
            "formatting of the unknown kind 'spiral'": 1,
        },
    )


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, [[]], {"type": []}, {"type": {}}])
def test_fields_of_the_wrong_kind_harm_nothing(odd: Any) -> None:
    for kind in ("rich_text", "section", "context", "actions", "image", "table", "input", "call"):
        fields = ("elements", "text", "fields", "accessory", "title", "rows", "label", "element")
        read({"type": kind} | dict.fromkeys(fields, odd))
        read({"type": kind} | {field: [odd] for field in fields})
    for part in ("section", "list", "quote", "preformatted"):
        element = {"type": "emoji", "name": odd, "unicode": odd, "skin_tone": odd}
        elements = [odd, {"type": odd}, element, {"type": "link", "url": odd, "text": odd}]
        fields = {"elements": elements, "indent": odd, "offset": odd, "style": odd}
        read({"type": "rich_text", "elements": [{"type": f"rich_text_{part}"} | fields]})
    assert read(odd) is not None


def test_no_text_has_what_a_database_refuses() -> None:
    assert rich(section(text("a\0b\ud83d"))) == "a�b�"
    assert read({"type": "section", "text": {"type": "mrkdwn", "text": "a\0"}})[0] == "a�"
