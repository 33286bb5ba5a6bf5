"""A client that knows no protocol, as the tutorial's page: a frame is a line, or is not sent."""

import json
import re
from typing import Any

import pytest
from pytest_django import Settings

from chat.factories import MessageFactory
from chat.live.connection import Connection
from chat.live.outbox import Outbox, Parcel
from chat.models import Message, Room
from chat.protocol.plain import LINES, ONLY_ANSWERS, UNSENT, plain
from chat.rooms.admission import Admission
from core.models import User
from tests.chat.live.test_feed import Database
from tests.chat.live.test_feed import Feed as RoomFeed
from tests.chat.live.test_outbox import Socket, nobody, payloads_of
from tests.chat.protocol.test_protocol import DOCUMENT, examples
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, Frame, address

ALICE = {"id": 7, "name": "Alice"}


def line(**frame: Any) -> Any:
    shown = plain(json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode())
    return None if shown is None else json.loads(shown)["message"]


# -- which frames, and how they read ----------------------------------------------------------


def test_each_type_of_the_protocol_has_a_line_or_is_known_not_to_be_sent() -> None:
    types = {json.loads(example)["type"] for example in examples("server")}
    assert LINES.keys() | UNSENT == types
    assert not LINES.keys() & UNSENT
    assert ONLY_ANSWERS < LINES.keys()


@pytest.mark.parametrize("example", examples("server"), ids=lambda example: example[9:40])
def test_each_example_has_a_message_that_is_a_text_or_is_not_sent(example: str) -> None:
    frame = json.loads(example)
    shown = plain(example.encode())
    if frame["type"] in UNSENT | ONLY_ANSWERS:
        assert shown is None
        return
    assert shown is not None
    told = json.loads(shown)
    assert isinstance(told["message"], str)
    assert told["message"].strip()
    assert {**told, "message": ""} == {**frame, "message": ""}, "the rest stays as it is"


@pytest.mark.parametrize(
    ("frame", "reads"),
    [
        ({"type": "chat.message", "user": ALICE, "message": "hi"}, "hi"),
        (
            {"type": "chat.message", "user": ALICE, "message": "waves", "kind": "action"},
            "Alice waves",
        ),
        ({"type": "chat.message", "user": ALICE, "message": "beep", "kind": "bot"}, "beep"),
        (
            {"type": "chat.message", "user": ALICE, "message": "", "deleted": "2026-11-22"},
            "A message from Alice was deleted",
        ),
        ({"type": "chat.edited", "user": ALICE, "message": "hi all"}, "Alice edited: hi all"),
        ({"type": "chat.read", "seq": 3, "ref": 1}, "Read up to 3"),
        (
            {"type": "chat.reaction", "user": ALICE, "reactions": {"👍": [8, 9]}, "ref": 1},
            "Reactions to Alice: 👍 2",
        ),
        ({"type": "chat.reaction", "user": ALICE, "ref": 1}, "Reactions to Alice: none"),
        ({"type": "presence.state", "users": [], "online": 0}, "Here now: nobody"),
        (
            {"type": "presence.state", "users": [ALICE] * 12, "online": 1_200},
            "Here now: " + "Alice, " * 10 + "1,190 more",
        ),
        (
            {"type": "room.updated", "room": {"title": "Lobby", "topic": "", "archived": True}},
            "The room is “Lobby” (it takes no more messages)",
        ),
        ({"type": "of.tomorrow"}, None),
    ],
)
def test_a_frame_reads_as(frame: Frame, reads: str | None) -> None:
    assert line(**frame) == reads


@pytest.mark.parametrize(
    "message",
    ['{"kind":"action"}', 'a "deleted":"yes" one', "A message from Alice was deleted"],
)
def test_a_text_that_looks_like_a_frame_stays_a_text(message: str) -> None:
    assert line(type="chat.message", user=ALICE, message=message) == message


def test_a_reaction_that_is_called_like_a_field_marks_nothing() -> None:
    reactions = {"kind": [7], "deleted": [7]}
    assert line(type="chat.message", user=ALICE, message="hi", reactions=reactions) == "hi"


# -- at no cost for others --------------------------------------------------------------------


def test_posts_are_the_same_bytes_for_everybody_and_are_made_once() -> None:
    database = Database()
    parcel = Parcel([database.post().frame for _ in range(3)])
    assert parcel.plain() is parcel
    wires = Socket(), Socket()
    for wire, is_plain in zip(wires, (True, False), strict=True):
        Outbox(nobody, lines=False, is_plain=is_plain, wire=wire).push(parcel)
    assert wires[0].written[0] is wires[1].written[0]


def test_the_other_form_is_made_once_for_all_plain_clients() -> None:
    database = Database()
    database.post()
    parcel = Parcel([database.edit(1).frame, database.post().frame])
    assert parcel.plain() is parcel.plain()
    texts = [json.loads(one)["message"] for one in parcel.plain().objects]
    assert texts == ["Mia edited: edited at 2", "hello"]


def test_nothing_is_written_where_nothing_is_to_be_read() -> None:
    wire = Socket()
    outbox = Outbox(nobody, lines=False, is_plain=True, wire=wire)
    outbox.push_one(b'{"type":"chat.typing","user":{"id":7,"name":"Alice"}}')
    assert not wire.written


# -- in a room --------------------------------------------------------------------------------


def shown(client: Client) -> list[str]:
    """What the tutorial's page would have appended, in order, until now."""
    client.meanwhile()
    frames = [frame for frame in client.frames if "ref" not in frame]
    return [str(frame.get("message", "undefined")) for frame in frames]


def test_of_large_messages_it_is_shown_the_newest_that_a_page_would_hold(
    chat: ChatServer, cast: Cast, enter: Any
) -> None:
    posts = MessageFactory.create_batch(50, room=cast.room, body="é" * 20_000)
    with (
        Client(chat, cast.room, cast.member, plain=True) as page,
        Client(chat, cast.room, cast.member) as known,
    ):
        many = len(known.next()["messages"])
        assert 1 < many < len(posts)
        page.until("presence.state")
        assert [frame["id"] for frame in page.frames[:-1]] == [post.pk for post in posts[-many:]]
        said = enter(chat, cast.room, cast.owner).say("hello")
        page.until("chat.message", id=said["id"])  # it is not taken for one that reads too slowly


def test_it_is_shown_the_newest_messages_and_then_what_happens(
    chat: ChatServer, cast: Cast, enter: Any
) -> None:
    posts = MessageFactory.create_batch(60, room=cast.room)
    said = [post.body for post in posts]
    gone = posts[-2]
    Message.objects.filter(pk=gone.pk).update(body="", deleted_at=gone.created_at)
    with Client(chat, cast.room, cast.member, plain=True) as page:
        expected = [*said[-50:-2], said[-1], "Here now: Mia Member"]
        assert shown(page) == expected
        assert {frame["type"] for frame in page.frames[:49]} == {"chat.message"}

        olga = enter(chat, cast.room, cast.owner)
        page.until("presence.joined")
        posted = olga.say("hello")
        olga.asks(type="chat.react", id=posted["id"], emoji="👍")
        olga.send(type="chat.typing")
        olga.asks(type="chat.edit", id=posted["id"], message="hello all")
        olga.asks(type="chat.delete", id=posted["id"])
        page.until("chat.deleted")
        page.send(message="hi")
        page.until("chat.message", message="hi")
        page.send(message="  ")
        page.until("error")
        expected += ["Olga Owner has joined", "hello", "Olga Owner edited: hello all"]
        expected += ["A message from Olga Owner was deleted", "hi"]
        expected += ["The message is empty."]
        assert shown(page) == expected


def test_what_it_asks_with_a_ref_is_answered_and_has_a_line(
    chat: ChatServer, cast: Cast, enter: Any
) -> None:
    with Client(chat, cast.room, cast.member, plain=True) as page:
        post = page.say("hello")
        answers = [
            page.asks(type="chat.react", id=post["id"], emoji="👍"),
            page.asks(type="chat.read", seq=post["seq"]),
            page.asks(type="chat.history"),
            page.asks(type="presence.get"),
            page.asks(type="ping"),
        ]
    assert [answer["message"] for answer in answers] == [
        "Reactions to Mia Member: 👍 1",
        f"Read up to {post['pos']}",
        "Messages: 1",
        "Here now: Mia Member",
        "pong",
    ]
    assert answers[2]["messages"][0]["message"] == "hello"


@pytest.mark.parametrize("query", ["?since=", "?since=0", "?since=nonsense"])
def test_whoever_says_since_gets_frames_as_before(
    chat: ChatServer, cast: Cast, enter: Any, query: str
) -> None:
    client = enter(chat, cast.room, cast.member, since=query.removeprefix("?since="))
    history, state = client.frames[:2]
    assert (history["type"], "message" in history) == ("chat.history", False)
    assert (state["type"], "message" in state) == ("presence.state", False)


def test_whoever_speaks_chat_v1_gets_frames_without_since(chat: ChatServer, cast: Cast) -> None:
    with Client(chat, cast.room, cast.member, lines=True, plain=True) as client:
        assert client.next()["type"] == "chat.history"
        assert "message" not in client.until("presence.state")


def test_why_it_is_turned_away_reads_as_a_line(chat: ChatServer, cast: Cast) -> None:
    with Client(chat, cast.room, cast.banned, plain=True) as banned:
        assert banned.close_code() == 4403
    assert [frame["message"] for frame in banned.frames] == [banned.frames[0]["detail"]]
    assert "?" not in address(chat, cast.room, plain=True)


# -- having missed much -----------------------------------------------------------------------


def test_after_a_reset_it_gets_what_it_was_not_shown_and_nothing_twice(settings: Settings) -> None:
    settings.CHAT_HISTORY_PAGE = 3
    database, feed, wire = Database(), RoomFeed(1), Socket()
    outbox = Outbox(nobody, lines=False, is_plain=True, wire=wire)

    async def close(code: int) -> None: ...

    admitted = Admission(User(pk=7), Room(pk=1, slug="lobby"), "member", [])
    connection = Connection(admitted, outbox, close, process_id="process", session=None)
    for n in range(4):
        database.post(str(n))
    feed.open(database.page(3))
    feed.send_page(connection, "page")
    feed.connections.add(connection)
    feed.offer([database.post("4")])
    database.edit(2)
    for n in (5, 6):
        database.post(str(n))
    assert feed.open(database.page(3))  # 4, 5, 6
    feed.send_page(connection, "reset")
    texts = [json.loads(payload)["message"] for payload in payloads_of(b"".join(wire.written))]
    assert texts == ["1", "2", "3", "4", "5", "6"]


def test_the_document_says_of_each_type_how_it_reads_or_that_it_is_not_sent() -> None:
    _, _, section = DOCUMENT.partition("## A client that knows no protocol\n")
    section, _, _ = section.partition("\n## ")
    said, _, not_sent = section.partition("Not sent")
    types = r"`([a-z]+(?:\.[a-z]+)?)`"
    assert set(re.findall(types, not_sent)) >= UNSENT | ONLY_ANSWERS
    rows = re.findall(r"^\| (.*) \| (.*) \|$", said, re.MULTILINE)[2:]
    assert {kind for _, kinds in rows for kind in re.findall(types, kinds)} == LINES.keys() - {
        "chat.history"
    }
