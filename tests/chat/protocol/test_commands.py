"""Whatever a client sends becomes a typed command, or a refusal that names what was wrong."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from chat.protocol import frames
from chat.protocol.commands import (
    Command,
    Delete,
    Edit,
    History,
    Ping,
    Post,
    PresenceGet,
    React,
    Read,
    Typing,
    Undecodable,
    decode,
)

SOME_ID = "4f7cf16b-0b5e-4a86-a6f4-6a53c8f1b6a1"
BIGINT_MAX = 2**63 - 1


def refusal(text: str | None) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(text)
    return caught.value


def a_frame(**fields: Any) -> str:
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        (
            {"type": "chat.message", "message": "a", "client_id": SOME_ID, "reply_to": 4, "ref": 1},
            Post(message="a", client_id=UUID(SOME_ID), reply_to=4, ref=1),
        ),
        (
            {"type": "chat.edit", "id": 4, "message": "b", "ref": "x"},
            Edit(id=4, message="b", ref="x"),
        ),
        (
            {"type": "chat.edit", "id": 4, "message": "b", "based_on": None},
            Edit(id=4, message="b", based_on=None),
        ),
        (
            {"type": "chat.edit", "id": 4, "message": "b", "based_on": "2026-11-22T10:00:00.12Z"},
            Edit(
                id=4,
                message="b",
                based_on=datetime(2026, 11, 22, 10, microsecond=120_000, tzinfo=UTC),
            ),
        ),
        ({"type": "chat.delete", "id": 4}, Delete(id=4)),
        ({"type": "chat.delete", "id": 4, "reason": "why"}, Delete(id=4, reason="why")),
        ({"type": "chat.react", "id": 4, "emoji": "👍"}, React(id=4, emoji="👍", on=True)),
        (
            {"type": "chat.react", "id": 4, "emoji": "👍", "on": False},
            React(id=4, emoji="👍", on=False),
        ),
        ({"type": "chat.read", "seq": 9}, Read(seq=9)),
        # of a page from before a deploy, and of one from after it, which may meet either server
        ({"type": "chat.read", "pos": 9}, Read(seq=0)),
        ({"type": "chat.read", "seq": 9, "pos": 0}, Read(seq=9)),
        ({"type": "chat.typing"}, Typing()),
        ({"type": "chat.history"}, History()),
        ({"type": "chat.history", "before": 17, "limit": 5}, History(before=17, limit=5)),
        ({"type": "presence.get"}, PresenceGet()),
        ({"type": "ping", "ref": 5}, Ping(ref=5)),
    ],
)
def test_each_command_is_understood(frame: dict[str, Any], command: Command) -> None:
    assert decode(json.dumps(frame)) == command


def test_a_frame_without_a_type_is_a_message_and_gets_a_client_id_of_its_own() -> None:
    one, other = decode('{"message": "hello"}'), decode('{"message": "hello"}')
    assert isinstance(one, Post)
    assert isinstance(other, Post)
    assert one.message == "hello"
    assert one.client_id != other.client_id


def test_null_is_how_a_script_says_that_it_has_none() -> None:
    command = decode('{"message": "hello", "client_id": null, "reply_to": null, "ref": null}')
    assert isinstance(command, Post)
    assert isinstance(command.client_id, UUID)
    assert command.reply_to is None
    assert command.ref is None


def test_fields_that_nobody_knows_are_passed_over_so_that_clients_may_be_newer() -> None:
    assert decode('{"type": "ping", "colour": {"red": [1, null]}}') == Ping()


def test_the_last_of_two_equal_keys_counts_as_everywhere() -> None:
    command = decode('{"message": "one", "message": "two"}')
    assert isinstance(command, Post)
    assert command.message == "two"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "{",
        '{"message": "a"',
        '{"message": "a"} {"message": "b"}',
        "{'message': 'a'}",
        '{"message": NaN}',
        '{"message": "a", "ref": Infinity}',
        '{"message": "a", "ref": 1e400}',
        '{"message": "a", "ref": ' + "9" * 5_000 + "}",
        '{"message": "\\ud800"}',
        '{"message": "\\udc00 and more text after it"}',
        '{"message": "\\ud83d\\ud83d"}',
        '{"type": "chat.react", "id": 1, "emoji": "\\ud83d"}',
        '{"message": "a", "other": {"deep": ["\\ud800"]}}',
        '{"message": "\ud800"}',
        '{"message": "line\nbreak"}',
        "\ufeff{}",
        "[" * 8_000,
        '{"a":' * 2_500 + "1" + "}" * 2_500,
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_what_is_not_json_is_bad_json(text: str) -> None:
    assert refusal(text).code == "bad_json"


@pytest.mark.parametrize("text", ["null", "true", "3", '"hello"', '[{"message": "a"}]', "[]"])
def test_what_is_not_an_object_is_bad_json(text: str) -> None:
    assert refusal(text).code == "bad_json"


def test_a_binary_frame_is_bad_json() -> None:
    assert refusal(None).code == "bad_json"


@pytest.mark.parametrize(
    "name", ["chat.shout", "", "disconnect", "websocket.close", "CHAT.MESSAGE", "chat.message "]
)
def test_an_unknown_type_is_a_bad_command_that_lists_the_known(name: str) -> None:
    refused = refusal(a_frame(type=name, ref=7))
    assert refused.code == "bad_command"
    assert "chat.message" in refused.detail
    assert refused.ref == 7


@pytest.mark.parametrize("name", [None, 3, True, ["chat.message"], {"chat.message": 1}])
def test_a_type_that_is_no_text_is_a_bad_command(name: Any) -> None:
    assert refusal(a_frame(type=name, message="a")).code == "bad_command"


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"message": 3},
        {"message": None},
        {"message": ["a"]},
        {"message": {"text": "a"}},
        {"message": True},
        {"text": "a"},
        {"message": "a", "client_id": "not-a-uuid"},
        {"message": "a", "client_id": ""},
        {"message": "a", "client_id": 7},
        {"message": "a", "reply_to": "7"},
        {"message": "a", "reply_to": -1},
        {"message": "a", "reply_to": 1.5},
        {"message": "a", "reply_to": True},
        {"message": "a", "reply_to": 2**63},
        {"message": "a", "ref": True},
        {"message": "a", "ref": 1.5},
        {"message": "a", "ref": "x" * 65},
        {"message": "a", "ref": [1]},
        {"message": "a", "ref": {"a": 1}},
        {"type": "chat.edit", "message": "a"},
        {"type": "chat.edit", "id": "1", "message": "a"},
        {"type": "chat.edit", "id": None, "message": "a"},
        {"type": "chat.edit", "id": -1, "message": "a"},
        {"type": "chat.edit", "id": 10**30, "message": "a"},
        {"type": "chat.edit", "id": 1},
        {"type": "chat.edit", "id": 1, "message": "a", "based_on": ""},
        {"type": "chat.edit", "id": 1, "message": "a", "based_on": 7},
        {"type": "chat.edit", "id": 1, "message": "a", "based_on": "2026-11-22T10:00:00"},
        {"type": "chat.edit", "id": 1, "message": "a", "based_on": "2026-11-31T10:00:00Z"},
        {"type": "chat.delete"},
        {"type": "chat.delete", "id": True},
        {"type": "chat.delete", "id": 1, "reason": 5},
        {"type": "chat.delete", "id": 1, "reason": "x" * 501},
        {"type": "chat.react", "id": 1},
        {"type": "chat.react", "id": 1, "emoji": ""},
        {"type": "chat.react", "id": 1, "emoji": "x" * 33},
        {"type": "chat.react", "id": 1, "emoji": 1},
        {"type": "chat.react", "id": 1, "emoji": "👍", "on": 1},
        {"type": "chat.react", "id": 1, "emoji": "👍", "on": "yes"},
        {"type": "chat.read"},
        {"type": "chat.read", "seq": -1},
        {"type": "chat.read", "seq": 2**63},
        {"type": "chat.read", "seq": False},
        {"type": "chat.history", "before": -1},
        {"type": "chat.history", "before": "1"},
        {"type": "chat.history", "limit": 0},
        {"type": "chat.history", "limit": -5},
        {"type": "chat.history", "limit": True},
        {"type": "chat.history", "limit": 1.5},
    ],
    ids=lambda frame: json.dumps(frame)[:60],
)
def test_a_field_of_the_wrong_kind_is_a_bad_command(frame: dict[str, Any]) -> None:
    assert refusal(json.dumps(frame)).code == "bad_command"


@pytest.mark.parametrize(
    "frame",
    [
        {"message": "a\0b"},
        {"message": "\0"},
        {"message": "a", "ref": "\0"},
        {"type": "chat.edit", "id": 1, "message": "\0a"},
        {"type": "chat.delete", "id": 1, "reason": "\0"},
        {"type": "chat.react", "id": 1, "emoji": "\0"},
    ],
    ids=json.dumps,
)
def test_nul_which_postgresql_cannot_store_is_refused_wherever_text_may_stand(
    frame: dict[str, Any],
) -> None:
    assert refusal(json.dumps(frame)).code == "bad_command"


def test_a_nul_in_a_field_that_is_not_read_harms_nobody() -> None:
    assert decode(a_frame(type="ping", other={"deep": "\0"})) == Ping()


BLANK = ["", " ", "\n\t", "\u00a0\u2003", "\u200b \u2060\ufeff"]


@pytest.mark.parametrize("text", [*BLANK, "\u2800", "\u3164", "\u115f", "\u034f", "\x1b", "\ufffc"])
@pytest.mark.parametrize("kind", ["chat.message", "chat.edit"])
def test_blank_text_is_empty(kind: str, text: str) -> None:
    assert refusal(a_frame(type=kind, id=1, message=text, ref=3)).code == "empty"


@pytest.mark.parametrize("kind", ["chat.message", "chat.edit"])
def test_a_text_is_too_long_past_the_limit_and_not_at_it(kind: str, settings: Settings) -> None:
    settings.CHAT_MESSAGE_MAX = 10
    decode(a_frame(type=kind, id=1, message="👍" * 10))
    refused = refusal(a_frame(type=kind, id=1, message="👍" * 11, client_id=SOME_ID))
    assert refused.code == "too_long"
    assert "10" in refused.detail
    assert refused.client_id == SOME_ID


@pytest.mark.parametrize("times", [1, 1.5, 3.9])
def test_a_frame_that_is_too_long_is_refused_by_its_name(settings: Settings, times: float) -> None:
    text = "x" * int(settings.CHAT_FRAME_IN_MAX * times)
    refused = refusal(a_frame(message=text, ref="r", client_id=SOME_ID, more=[{"ref": 2}]))
    assert (refused.code, refused.ref, refused.client_id) == ("too_long", "r", SOME_ID)


@pytest.mark.parametrize(
    "frame",
    [
        '{"ref": 1, "message": "%s"' % ("x" * 20_000),
        '["%s", {"ref": 1}]' % ("x" * 20_000),
        '{"ref": 1, "message": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"ref": [1], "client_id": true, "message": "%s"}' % ("x" * 20_000),
        '{"ref": 1, "message": "%s"}' % ("x" * 200_000),  # nobody reads so much for a name
    ],
)
def test_what_has_no_name_that_can_be_read_is_too_long_all_the_same(frame: str) -> None:
    refused = refusal(frame)
    assert (refused.code, refused.ref, refused.client_id) == ("too_long", None, None)


@pytest.mark.parametrize(
    "frame",
    [
        '{"type": "chat.edit", "id": 1, "message": "a\\ud800", "ref": 1, "client_id": "c"}',
        '{"message": "\\udc00 and more", "ref": 1, "client_id": "c"}',
        '{"ref": 1, "client_id": "c", "type": "chat.delete", "id": 1, "reason": "\\ud83d\\ud83d"}',
        '{"ref": 1, "client_id": "c", "message": "a", "other": {"deep": ["\\ud800"]}}',
        '{"ref": 1, "client_id": "c", "message": "\ud800"}',
        '{"ref": 1, "client_id": "c", "message": "a", "other": 1e400}',
    ],
)
def test_what_is_no_unicode_is_refused_by_its_name(frame: str) -> None:
    refused = refusal(frame)
    assert (refused.code, refused.ref, refused.client_id) == ("bad_json", 1, "c")


def test_a_frame_that_is_too_long_and_no_unicode_is_refused_by_its_name() -> None:
    refused = refusal('{"message": "\\ud800%s", "ref": 1}' % ("x" * 20_000))
    assert (refused.code, refused.ref) == ("too_long", 1)


def test_a_name_that_is_no_unicode_is_left_out_and_not_the_other() -> None:
    refused = refusal('{"message": "a", "ref": "\\ud800", "client_id": "c"}')
    assert (refused.code, refused.ref, refused.client_id) == ("bad_json", None, "c")
    json.loads(frames.error(refused, ref=refused.ref, client_id=refused.client_id))


def test_a_frame_is_too_long_by_its_bytes_and_not_its_characters(settings: Settings) -> None:
    settings.CHAT_FRAME_IN_MAX = 100
    framing = len('{"message":""}')
    decode('{"message":"%s"}' % ("x" * (100 - framing)))
    assert refusal('{"message":"%s"}' % ("x" * (101 - framing))).code == "too_long"
    assert refusal('{"message":"%s"}' % ("é" * 50)).code == "too_long"


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        (5, 5),
        (-5, -5),
        (0, 0),
        (10**30, 10**30),
        ("a", "a"),
        ("x" * 100, "x" * 64),
        (True, None),
        (1.5, None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_a_refusal_carries_what_can_be_read_of_the_reference(sent: Any, echoed: Any) -> None:
    refused = refusal(a_frame(type="chat.shout", ref=sent, client_id=sent))
    assert (refused.ref, refused.client_id) == (echoed, echoed)


def test_the_longest_message_of_any_script_fits_its_frame_as_utf_8_and_not_escaped() -> None:
    frame = {"message": "漢" * 4_000}
    assert isinstance(decode(json.dumps(frame, ensure_ascii=False)), Post)
    assert isinstance(decode(json.dumps({"message": "😀" * 4_000}, ensure_ascii=False)), Post)
    assert refusal(json.dumps(frame)).code == "too_long"


def test_whatever_is_echoed_can_be_sent_again() -> None:
    for ref in (10**30, -(10**30), "\0", '"', "👍", 2**64):
        refused = refusal(a_frame(type="chat.shout", ref=ref))
        frame = frames.error(refused, ref=refused.ref)
        assert json.loads(frame)["ref"] == ref


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = st.dictionaries(
    st.sampled_from(["message", "id", "emoji", "on", "pos", "before", "limit", "ref", "client_id"]),
    JSON,
)


@given(st.one_of(st.text(), JSON.map(json.dumps), FIELDS.map(json.dumps)))
def test_no_text_whatever_gets_past_as_anything_but_a_command_or_a_refusal(text: str) -> None:
    try:
        command = decode(text)
    except Undecodable as refused:
        json.loads(frames.error(refused, ref=refused.ref, client_id=refused.client_id))
    else:
        assert isinstance(command, Command)


@given(FIELDS, st.sampled_from(["chat.message", "chat.edit", "chat.react", "chat.read", "ping"]))
def test_no_command_holds_what_the_database_would_choke_on(
    fields: dict[str, Any], kind: str
) -> None:
    try:
        command = decode(json.dumps(fields | {"type": kind}))
    except Undecodable:
        return
    for name in command.__struct_fields__:
        value = getattr(command, name)
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
        elif isinstance(value, int) and name != "ref":
            assert 0 <= value <= BIGINT_MAX
