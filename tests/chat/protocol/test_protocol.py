"""The document and the code say the same: every frame, command, error code and close code."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from chat.factories import MessageFactory
from chat.log import posts
from chat.models import Room
from chat.protocol import commands
from chat.protocol.commands import decode
from chat.protocol.errors import Close
from core.models import User
from tests.support import servers
from tests.support.databases import ROOT
from tests.support.servers import ChatServer
from tests.support.sockets import UNLIMITED, Client, Frame, cast_of, session_of

DOCUMENT = (ROOT / "chat/PROTOCOL.md").read_text()


def examples(side: str) -> list[str]:
    blocks = re.findall(rf"```json {side}\n(.*?)```", DOCUMENT, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def codes_in_tables() -> set[str]:
    return set(re.findall(r"^\| `?([a-z_]+|\d{4})`? \|", DOCUMENT, re.MULTILINE)) - {"code"}


def sources() -> list[ast.Module]:
    files = [file for part in ("chat", "core") for file in (ROOT / part).rglob("*.py")]
    return [ast.parse(file.read_text()) for file in files]


# -- what the client sends --------------------------------------------------------------------


@pytest.mark.parametrize("line", examples("client"))
def test_each_example_of_a_client_is_understood_in_full(line: str) -> None:
    command, frame = decode(line), json.loads(line)
    kind = frame.pop("type", "chat.message")
    assert type(command) is commands.TYPES[kind]
    for name, value in frame.items():
        assert msgspec.to_builtins(getattr(command, name)) == value


def test_each_command_and_each_of_its_fields_has_an_example() -> None:
    shown: dict[str, set[str]] = {}
    for line in examples("client"):
        frame = json.loads(line)
        shown.setdefault(frame.get("type", "chat.message"), set()).update(frame)
    for kind, command in commands.TYPES.items():
        fields = set(command.__struct_fields__) - {"ref"}
        assert fields <= shown[kind], kind
    assert set(shown) == set(commands.TYPES)


# -- what the server sends --------------------------------------------------------------------


OF_PERSONS = {"username", "looks", "mark"}


class Shapes:
    """Of each type of frame, which keys were seen, and what kind of value each had."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, set[str]]] = {}

    def add(self, frame: Frame) -> None:
        for path, kind in _leaves(frame):
            self.kinds.setdefault(frame["type"], {}).setdefault(path, set()).add(kind)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    yield path, type(value).__name__ if not isinstance(value, (int, float)) else "number"
    if isinstance(value, dict):
        by_emoji = path.endswith("reactions")
        for key, inner in value.items():
            yield from _leaves(inner, _below(path, "*" if by_emoji else key))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")


def _below(path: str, key: str) -> str:
    """What a person may have is the same wherever one is named."""
    return f"(person).{key}" if key in OF_PERSONS else f"{path}.{key}"


@pytest.fixture(scope="module")
def produced(chat_database: str, template_database: str) -> dict[str, list[Frame]]:
    """What a real server sent in a small scene that has everything, by type."""
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "PRESENCE_GRACE_SECONDS": "0.2"}
    frames: list[Frame] = []
    with servers.chat_server(template_database, env=env) as server:
        frames += _scene(server)
        frames += _removal(server)
    crowded = {**env, "PRESENCE_LIST_MAX": "1", "PRESENCE_SHOWN": "1"}
    with servers.chat_server(template_database, env=crowded) as server:
        frames += _crowd(server)
    by_type: dict[str, list[Frame]] = {}
    for frame in frames:
        by_type.setdefault(frame["type"], []).append(frame)
    return by_type


def _scene(server: ChatServer) -> list[Frame]:
    cast = cast_of()
    User.objects.filter(pk=cast.owner.pk).update(is_guest=True)
    MessageFactory.create_batch(3, room=cast.room, author=cast.owner)
    with (
        Client(server, cast.room, cast.member) as mia,
        Client(server, cast.room, cast.owner) as olga,
    ):
        mia.until("presence.state")
        olga.until("presence.state")
        first = mia.say("first")
        posted = mia.say(
            "Morning!", client_id="4f7cf16b-0b5e-4a86-a6f4-6a53c8f1b6a1", reply_to=first["id"]
        )
        mia.asks(type="chat.edit", id=posted["id"], message="Good morning!")
        olga.asks(type="chat.react", id=posted["id"], emoji="👍")
        mia.asks(type="chat.react", id=posted["id"], emoji="👍")
        mia.asks(type="chat.delete", id=posted["id"])
        mia.asks(type="chat.read", seq=3)
        mia.asks(type="presence.get")
        mia.asks(type="chat.history", before=3)
        mia.asks(type="ping", ref=5)
        olga.send(type="chat.typing")
        mia.until("chat.typing")
        Room.objects.filter(pk=cast.room.pk).update(slow_mode_seconds=60)
        mia.send(message="refused", client_id="4f7cf16b-0b5e-4a86-a6f4-6a53c8f1b6a2")
        mia.until("error", code="slow_mode")
        topic = f"room = Room.objects.get(pk={cast.room.pk}); room.topic = 'Be kind'; room.save()"
        server.manage("shell", "-c", f"from chat.models import Room; {topic}")
        mia.until("room.updated")
        with Client(server, cast.room, cast.moderator) as mo:
            mo.until("presence.state")
            mia.until("presence.joined", online=3)
        mia.until("presence.left", online=2)
    with Client(server, cast.room, cast.member, since=2) as back:
        back.until("presence.state")
    return mia.frames + olga.frames + mo.frames + back.frames


def _removal(server: ChatServer) -> list[Frame]:
    cast = cast_of()
    with Client(server, cast.room, cast.banned) as banned:
        assert banned.close_code() == 4403
    return banned.frames


def _crowd(server: ChatServer) -> list[Frame]:
    cast = cast_of()
    people = [cast.owner, cast.member, cast.moderator, cast.outsider]
    clients = []
    try:
        for user in people:
            clients.append(Client(server, cast.room, session=session_of(user)))
            clients[-1].until("presence.state")
        # Somebody whose name is among those shown leaves, and another takes the place.
        clients[0].close()
        clients[1].until("presence.count", online=3)
    finally:
        for client in clients:
            client.close()
    return [frame for client in clients for frame in client.frames]


@pytest.mark.parametrize("line", examples("server"), ids=lambda line: line[9:60])
def test_each_example_of_the_server_has_the_shape_of_what_it_sends(
    line: str, produced: dict[str, list[Frame]]
) -> None:
    example = json.loads(line)
    sent = Shapes()
    for frame in produced[example["type"]]:
        sent.add(frame)
    known = sent.kinds[example["type"]]
    for path, kind in _leaves(example):
        if path == ".users[]" and example["type"] == "presence.count":
            continue
        assert kind in known.get(path, ()), f"{path}: {kind} was never sent"


def test_each_frame_that_was_sent_has_no_more_than_an_example_or_the_text_shows(
    produced: dict[str, list[Frame]],
) -> None:
    shown: dict[str, set[str]] = {}
    for line in examples("server"):
        example = json.loads(line)
        keys = {path for path, _ in _leaves(example)}
        shown.setdefault(example["type"], set()).update(keys)
    message = shown["chat.reaction"] | shown["chat.deleted"]
    person = {path for paths in shown.values() for path in paths if path.startswith("(person)")}
    for kind, frames in produced.items():
        expected = shown[kind] | {".ref"} | person
        if kind.startswith("chat.") and ".seq" in expected:
            expected |= message
        if kind == "chat.history":
            expected |= {f".messages[]{path}" for path in message}
        for frame in frames:
            sent = {path for path, _ in _leaves(frame)}
            assert sent <= expected, (kind, sent - expected)


def test_each_type_that_was_sent_has_an_example_and_the_reverse(
    produced: dict[str, list[Frame]],
) -> None:
    assert set(produced) == {json.loads(line)["type"] for line in examples("server")}


def test_a_deleted_message_shows_neither_text_nor_reactions(
    produced: dict[str, list[Frame]],
) -> None:
    assert produced["chat.reaction"]  # it had some
    for frame in produced["chat.deleted"]:
        assert (frame["message"], "reactions" in frame) == ("", False)


def test_what_was_missed_says_always_that_there_is_more(produced: dict[str, list[Frame]]) -> None:
    missed = [frame for frame in produced["chat.history"] if frame["mode"] == "since"]
    assert missed
    assert all(frame["more"] is True for frame in missed)


def test_every_time_is_in_utc_with_a_z(produced: dict[str, list[Frame]]) -> None:
    for frame in produced["chat.deleted"]:
        for name in ("created", "edited", "deleted"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", frame[name])


# -- codes ------------------------------------------------------------------------------------


def error_codes() -> set[str]:
    """What is given to Refused, Undecodable and the statement that judges posts."""
    found = set(posts.POST_REFUSALS)
    for module in sources():
        for node in ast.walk(module):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Refused", "Undecodable")
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    return found


def test_the_error_codes_of_the_document_are_those_of_the_code() -> None:
    documented = {code for code in codes_in_tables() if not code.isdigit()}
    assert documented == error_codes()


def test_the_close_codes_of_the_document_are_those_of_the_code() -> None:
    documented = {int(code) for code in codes_in_tables() if code.isdigit()}
    assert documented == set(Close) - {Close.COME_BACK}
    assert f"| any unclean close, {int(Close.COME_BACK)} |" in DOCUMENT


def test_the_page_calls_close_codes_by_the_same_names() -> None:
    script = (ROOT / "chat/static/chat/js/model/close.js").read_text()
    named = {name: int(code) for name, code in re.findall(r"(\w+): (\d{4}),", script)}
    assert named == {each.name: each.value for each in Close}


def test_nobody_closes_with_a_bare_number() -> None:
    code = re.compile(r"\b44\d\d\b")
    scripts = [*ROOT.glob("chat/static/**/*.js"), *ROOT.glob("c*/**/*.py")]
    bare = [each for each in scripts if code.search(each.read_text())]
    assert {each.stem for each in bare} == {"close"}
