"""One socket: what it is shown, what it answers to whatever comes in, and that it lives."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from websockets.sync.client import connect

from chat.factories import MessageFactory, RoomFactory
from chat.models import Membership, Message, Reaction, Revision
from tests.support.databases import ROOT
from tests.support.ports import free_port
from tests.support.servers import ChatServer
from tests.support.sockets import (
    PATIENCE,
    Cast,
    Client,
    Frame,
    address,
    texts,
    truth,
    wait_until,
)

Enter = Callable[..., Client]


# -- the tutorial's client --------------------------------------------------------------------


def test_the_tutorials_client_works_as_it_is(chat: ChatServer) -> None:
    """No cookie, no Origin, no subprotocol: send {"message": …}, read .message of what comes."""
    with connect(address(chat, "lobby"), proxy=None) as socket:
        socket.send('{"message": "hello"}')
        while json.loads(socket.recv(PATIENCE)).get("message") != "hello":
            pass
    assert Message.objects.filter(room__slug="lobby", body="hello").exists()


def test_without_a_subprotocol_every_frame_is_one_object(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    client = enter(chat, cast.room, cast.member)
    for n in range(50):
        client.send(message=str(n))
    client.until("chat.message", message="49")
    assert client.subprotocol is None
    assert all(json.loads(payload) for payload in client.payloads)


def test_with_chat_v1_objects_that_gather_share_a_frame_one_a_line(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    one, plain = enter(chat, cast.room, cast.member, lines=True), enter(chat, cast.room, cast.owner)
    for n in range(200):
        one.send(message=str(n))
    for client in (one, plain):
        client.until("chat.message", message="199")
    assert one.subprotocol == "chat.v1"
    assert texts(one.frames) == texts(plain.frames) == [str(n) for n in range(200)]
    assert len(one.payloads) < len(plain.payloads)


# -- on connect -------------------------------------------------------------------------------


def test_history_comes_first_then_presence_then_what_happens(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    """While somebody writes without a pause, so that something is always on its way."""
    busy, stop = enter(chat, cast.room, cast.owner), threading.Event()

    def write() -> None:
        while not stop.wait(0.002):
            busy.send(message="one more")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(15):
            with Client(chat, cast.room, cast.member) as client:
                kinds = [client.next()["type"] for _ in range(4)]
            assert kinds == ["chat.history", "presence.state", "chat.message", "chat.message"]
            head = client.frames[0]["head"]
            assert [frame["pos"] for frame in client.frames[2:]] == [head + 1, head + 2]
    finally:
        stop.set()
        writer.join()


def test_the_last_fifty_messages_are_shown_oldest_first(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(60, room=cast.room)
    history = enter(chat, cast.room, cast.member).frames[0]
    assert [message["seq"] for message in history["messages"]] == list(range(11, 61))
    assert (history["more"], history["mode"], history["head"]) == (True, "page", 60)


def test_an_empty_room_has_an_empty_history(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    history = enter(chat, cast.room, cast.member).frames[0]
    assert history["messages"] == []
    assert (history["more"], history["mode"], history["head"]) == (False, "page", 0)


def test_scrollback_reaches_the_very_first_message_without_a_hole_or_a_double(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(230, room=cast.room)
    client = enter(chat, cast.room, cast.member)
    page, seqs = client.frames[0], []
    while True:
        seqs = [message["seq"] for message in page["messages"]] + seqs
        if not page["more"]:
            break
        page = client.asks(type="chat.history", before=seqs[0], limit=1_000)
        assert (len(page["messages"]) <= 100, page["mode"]) == (True, "page")
    assert seqs == list(range(1, 231))


def test_edits_and_deletions_are_in_scrollback_as_they_are_now(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory(room=cast.room, edited="text-before", body="after")
    MessageFactory(room=cast.room, deleted=True, body="secret-text")
    MessageFactory(room=cast.room, reacted="🎉")
    client = enter(chat, cast.room, cast.member)
    edited, deleted, reacted = client.frames[0]["messages"]
    assert (edited["message"], "edited" in edited) == ("after", True)
    assert (deleted["message"], "deleted" in deleted) == ("", True)
    assert list(reacted["reactions"]) == ["🎉"]
    told = "".join(map(str, client.payloads))
    assert "secret-text" not in told
    assert "text-before" not in told


# -- since ------------------------------------------------------------------------------------


def test_since_brings_what_was_missed_net_in_order_and_once(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    writer = enter(chat, cast.room, cast.member)
    first, second = writer.asks(message="one"), writer.asks(message="two")
    cursor = second["pos"]
    writer.asks(type="chat.edit", id=first["id"], message="one, edited")
    writer.asks(type="chat.edit", id=first["id"], message="one, edited again")
    third = writer.asks(message="three")
    writer.asks(type="chat.react", id=third["id"], emoji="👍")
    writer.asks(type="chat.delete", id=second["id"])
    history = enter(chat, cast.room, cast.owner, since=cursor).frames[0]
    assert (history["mode"], history["head"]) == ("since", 7)
    missed = [(m["pos"], m["seq"], m["message"]) for m in history["messages"]]
    assert missed == [(4, 1, "one, edited again"), (6, 3, "three"), (7, 2, "")]
    assert history["messages"][1]["reactions"] == {"👍": [cast.member.pk]}


def test_since_the_head_brings_nothing_and_then_what_happens(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    writer = enter(chat, cast.room, cast.member)
    writer.say("seen")
    back = enter(chat, cast.room, cast.owner, since=1)
    assert (back.frames[0]["mode"], back.frames[0]["messages"]) == ("since", [])
    writer.say("news")
    assert back.until("chat.message")["pos"] == 2


def test_since_before_everything_brings_everything(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(5, room=cast.room)
    history = enter(chat, cast.room, cast.member, since=0).frames[0]
    assert (history["mode"], len(history["messages"])) == ("since", 5)


@pytest.mark.parametrize("missed", [500, 501])
def test_more_than_500_missed_changes_are_a_fresh_page_that_says_so(
    chat: ChatServer, cast: Cast, enter: Enter, missed: int
) -> None:
    MessageFactory.create_batch(3, room=cast.room)
    Message.objects.bulk_create(
        Message(room=cast.room, author=cast.member, body=str(n), seq=n, pos=n)
        for n in range(4, 4 + missed)
    )
    cast.room.reserve(messages=missed)
    client = enter(chat, cast.room, cast.member, since=3)
    pages = [frame for frame in client.frames if frame["type"] == "chat.history"]
    if missed == 500:
        assert {page["mode"] for page in pages} == {"since"}
        assert [m["pos"] for page in pages for m in page["messages"]] == list(range(4, 504))
    else:
        (page,) = pages
        assert (page["mode"], len(page["messages"]), page["more"]) == ("reset", 50, True)
        assert page["head"] == 504


@pytest.mark.parametrize("cursor", ["7", "99999999999999999999", "9223372036854775808"])
def test_a_cursor_from_the_future_is_reset(
    chat: ChatServer, cast: Cast, enter: Enter, cursor: str
) -> None:
    MessageFactory.create_batch(3, room=cast.room)
    history = enter(chat, cast.room, cast.member, since=cursor).frames[0]
    assert (history["mode"], history["head"], len(history["messages"])) == ("reset", 3, 3)


@pytest.mark.parametrize("cursor", ["", "-1", "1.5", "one", "٣", "null", "1 or 1=1"])
def test_a_cursor_that_is_none_is_a_plain_page(
    chat: ChatServer, cast: Cast, enter: Enter, cursor: str
) -> None:
    MessageFactory.create_batch(3, room=cast.room)
    history = enter(chat, cast.room, cast.member, since=cursor).frames[0]
    assert (history["mode"], len(history["messages"])) == ("page", 3)


# -- bad frames -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("hello", "bad_json"),
        ("", "bad_json"),
        (b"", "bad_json"),
        (b'{"message": "binary"}', "bad_json"),
        ("[]", "bad_json"),
        ('"text"', "bad_json"),
        ('{"message": NaN}', "bad_json"),
        ('{"message": "\\ud800"}', "bad_json"),
        ("[" * 10_000, "bad_json"),
        ('{"message": "a\\u0000b"}', "bad_command"),
        ('{"message": {"a": 1}}', "bad_command"),
        ('{"type": "chat.shout"}', "bad_command"),
        ('{"type": "websocket.close"}', "bad_command"),
        ('{"type": "chat.edit", "id": -1, "message": "x"}', "bad_command"),
        ('{"type": "chat.edit", "id": 99999999999999999999, "message": "x"}', "bad_command"),
        ('{"message": ""}', "empty"),
        ('{"message": " \\n "}', "empty"),
        ('{"message": "' + "x" * 4_001 + '"}', "too_long"),
        ('{"message": "' + "x" * 20_000 + '"}', "too_long"),
        ('{"type": "chat.edit", "id": 4611686018427387904, "message": "x"}', "not_found"),
        ('{"type": "chat.delete", "id": 4611686018427387904}', "not_found"),
        ('{"type": "chat.react", "id": 4611686018427387904, "emoji": "x"}', "not_found"),
        ('{"message": "x", "reply_to": 4611686018427387904}', "not_found"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_bad_frame_is_an_error_the_socket_lives_and_nothing_else_is_harmed(
    chat: ChatServer, cast: Cast, enter: Enter, payload: str | bytes, code: str
) -> None:
    client, other = enter(chat, cast.room, cast.member), enter(chat, cast.room, cast.owner)
    for n in range(5):  # in flight before it, beside it and after it
        other.send(message=f"other {n}")
        client.send(message=f"before {n}")
    client.send_raw(payload)
    client.send(message="after")
    assert client.until("error")["code"] == code
    wait_until(lambda: Message.objects.filter(room=cast.room).count() == 11, "not all are stored")
    stored = [message["message"] for message in truth(cast.room).values()]
    assert sorted(stored) == sorted(
        [f"{who} {n}" for who in ("other", "before") for n in range(5)] + ["after"]
    )
    client.asks(type="ping")
    assert sum(frame["type"] == "error" for frame in client.frames) == 1
    assert not any(frame["type"] == "error" for frame in other.meanwhile())
    assert not Reaction.objects.filter(message__room=cast.room).exists()
    assert not Revision.objects.filter(message__room=cast.room).exists()


def test_an_error_says_which_command_it_answers(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    client = enter(chat, cast.room, cast.member)
    some_id = str(uuid4())
    for ref in (7, -1, 0, "seven", "x" * 64, 2**70):
        client.send(type="chat.edit", id="?", ref=ref)
        assert client.until("error")["ref"] == ref
    client.send(message="", client_id=some_id)
    assert client.until("error")["client_id"] == some_id
    client.send(message="x", reply_to=2**40, client_id=some_id, ref="r")
    error = client.until("error")
    assert (error["client_id"], error["ref"]) == (some_id, "r")
    client.send_raw("?")
    assert client.until("error").keys() == {"type", "code", "detail"}


def test_after_so_many_bad_frames_the_socket_is_closed_with_4400(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    client, other = enter(chat, cast.room, cast.member), enter(chat, cast.room, cast.member)
    for _ in range(19):
        client.send_raw("?")
    client.say("nineteen are forgiven")
    client.send_raw("?")
    assert client.close_code() == 4400
    other.say("unharmed")


@pytest.mark.parametrize("what", ["invalid utf-8", "over a mebibyte", "no mask", "half a frame"])
def test_what_is_no_websocket_harms_only_its_own_socket(
    chat: ChatServer, cast: Cast, enter: Enter, what: str
) -> None:
    client, other = enter(chat, cast.room, cast.member), enter(chat, cast.room, cast.owner)
    if what == "invalid utf-8":
        client.send_raw(b'{"message": "\xff"}', text=True)
    elif what == "over a mebibyte":
        client.send_raw('{"message": "' + "x" * 1_100_000 + '"}')
    elif what == "no mask":
        client.tcp.sendall(b"\x81\x02{}")
    else:
        client.tcp.sendall(b"\x81\xfe\xff\xff")
        client.tcp.shutdown(socket.SHUT_WR)
    client.close_code()
    other.say("unharmed")
    assert len(truth(cast.room)) == 1


# -- commands ---------------------------------------------------------------------------------


def test_each_command_is_answered_with_its_ref(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    client, other = enter(chat, cast.room, cast.member), enter(chat, cast.room, cast.owner)
    message = client.asks(message="hello", ref=1)
    commands: list[tuple[Frame, str]] = [
        ({"type": "chat.edit", "id": message["id"], "message": "hello, world"}, "chat.edited"),
        ({"type": "chat.edit", "id": message["id"], "message": "hello, world"}, "chat.edited"),
        ({"type": "chat.react", "id": message["id"], "emoji": "👍"}, "chat.reaction"),
        ({"type": "chat.react", "id": message["id"], "emoji": "👍"}, "chat.reaction"),
        ({"type": "chat.read", "seq": 1}, "chat.read"),
        ({"type": "chat.delete", "id": message["id"]}, "chat.deleted"),
        ({"type": "chat.delete", "id": message["id"]}, "chat.deleted"),
        ({"type": "chat.history"}, "chat.history"),
        ({"type": "presence.get"}, "presence.state"),
        ({"type": "ping"}, "pong"),
        ({"message": "hello", "client_id": message["client_id"]}, "chat.message"),
    ]
    for n, (command, answer) in enumerate(commands):
        for ref in (n, f"text {n}"):
            assert client.asks(**command, ref=ref)["type"] == answer, command
    other.until("chat.deleted")
    assert not any("ref" in frame for frame in [*other.frames, *other.meanwhile()])


def test_what_changed_nothing_is_answered_to_its_sender_only(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    client, other = enter(chat, cast.room, cast.member), enter(chat, cast.room, cast.owner)
    message = client.asks(message="hello")
    client.asks(type="chat.react", id=message["id"], emoji="👍")
    other.until("chat.reaction")
    for _ in range(3):
        client.asks(type="chat.react", id=message["id"], emoji="👍")
        client.asks(message="hello", client_id=message["client_id"])
    client.asks(message="end")
    other.until("chat.message", message="end")
    assert [frame["pos"] for frame in other.frames if "pos" in frame] == [1, 2, 3]


def test_a_client_id_is_one_message_on_whatever_connection_it_is_sent_again(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Enter
) -> None:
    some_id = str(uuid4())
    first = enter(chat, cast.room, cast.member)
    for _ in range(3):
        first.send(message="hello", client_id=some_id)
    answers = [first.until("chat.message", client_id=some_id) for _ in range(3)]
    for server in (chat, second):
        again = enter(server, cast.room, cast.member)
        again.send(message="hello", client_id=some_id)
        answers.append(again.until("chat.message", client_id=some_id))
    assert len({(answer["id"], answer["seq"], answer["pos"]) for answer in answers}) == 1
    other = enter(chat, cast.room, cast.owner)
    other.send(message="mine", client_id=some_id)
    assert other.until("chat.message", client_id=some_id)["id"] != answers[0]["id"]
    assert len(truth(cast.room)) == 2


def test_typing_is_shown_to_the_others_now_and_then_and_stored_nowhere(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Enter
) -> None:
    typist, tab = enter(chat, cast.room, cast.member), enter(chat, cast.room, cast.member)
    near, far = enter(chat, cast.room, cast.owner), enter(second, cast.room, cast.moderator)
    for _ in range(5):
        typist.send(type="chat.typing")
    shown = {"id": cast.member.pk, "name": "Mia Member"}
    assert near.until("chat.typing")["user"] == far.until("chat.typing")["user"] == shown
    typist.say("done")
    for client in (near, far):
        client.until("chat.message")
        assert sum(frame["type"] == "chat.typing" for frame in client.frames) == 1
    tab.until("chat.message")
    assert not any(frame["type"] == "chat.typing" for frame in typist.frames + tab.frames)
    assert len(truth(cast.room)) == 1


def test_a_read_position_reaches_the_same_persons_other_tabs_and_nobody_else(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Enter
) -> None:
    tabs = [enter(server, cast.room, cast.member) for server in (chat, chat, second)]
    other, elsewhere = enter(chat, cast.room, cast.owner), enter(chat, RoomFactory(), cast.member)
    tabs[0].asks(message="one")
    tabs[0].asks(message="two")
    assert tabs[0].asks(type="chat.read", seq=2)["seq"] == 2
    told = [tab.until("chat.read") for tab in tabs[1:]]
    # A page from before a deploy counts by `pos`, and passes 0 by.
    assert [(frame["seq"], frame["pos"]) for frame in told] == [(2, 0), (2, 0)]
    assert tabs[0].asks(type="chat.read", seq=1)["seq"] == 2
    assert Membership.objects.get(room=cast.room, user=cast.member).read_seq == 2
    for stranger in (other, elsewhere):
        assert not any(frame["type"] == "chat.read" for frame in stranger.meanwhile())


def test_who_asks_who_is_here_is_told(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    client = enter(chat, cast.room, cast.member)
    enter(chat, cast.room, cast.owner)
    client.until("presence.joined")
    state = client.asks(type="presence.get")
    assert state["type"] == "presence.state"
    assert {user["name"] for user in state["users"]} == {"Mia Member", "Olga Owner"}


def test_a_moderator_removes_what_a_member_wrote_and_a_member_does_not(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    moderator, member = enter(chat, cast.room, cast.moderator), enter(chat, cast.room, cast.member)
    message = enter(chat, cast.room, cast.outsider).asks(message="spam")
    assert member.asks(type="chat.delete", id=message["id"])["code"] == "forbidden"
    assert moderator.asks(type="chat.edit", id=message["id"], message="x")["code"] == "forbidden"
    assert moderator.asks(type="chat.delete", id=message["id"])["type"] == "chat.deleted"
    assert member.until("chat.deleted")["message"] == ""


def test_idle_sockets_that_are_gone_without_a_word_leave_nothing_behind(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    stays = enter(chat, cast.room, cast.owner)
    for _ in range(20):
        Client(chat, cast.room, cast.member).cut()
    stays.say("unharmed")


# -- another server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uvicorn(chat: ChatServer) -> Iterator[Any]:
    """The same application under a server that knows nothing of our short way to the socket."""
    port = free_port()
    command = ["-m", "uvicorn", "core.asgi:application", "--port", str(port), "--no-access-log"]
    log = chat.log.with_name("uvicorn.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--lifespan", "off", "--ws", "websockets-sansio"],
            cwd=ROOT,
            env=chat.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:

        def accepts() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                return False
            return True

        wait_until(accepts, "uvicorn does not start")
        server = ChatServer(chat.env, log)
        server.port, server.env = chat.port, chat.env  # after which its cookie is called
        server.ws_url = f"ws://127.0.0.1:{port}"
        yield server
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_under_uvicorn_it_is_the_same_chat(
    chat: ChatServer, uvicorn: Any, cast: Cast, enter: Enter
) -> None:
    here = enter(chat, cast.room, cast.owner)
    there, lines = (enter(uvicorn, cast.room, cast.member, lines=lines) for lines in (False, True))
    for n in range(30):
        there.send(message=f"there {n}")
        here.send(message=f"here {n}")
    for client in (here, there, lines):
        wait_until(lambda c=client: c.next() and len(texts(c.frames)) == 60, "not all came")
        client.say(f"end of {client.subprotocol}")
    places = [[f["pos"] for f in client.frames if "pos" in f] for client in (here, there, lines)]
    assert places[0][:60] == places[1][:60] == places[2][:60] == list(range(1, 61))


def test_under_uvicorn_who_is_turned_away_is_told_why(uvicorn: Any, cast: Cast) -> None:
    with Client(uvicorn, cast.room, cast.banned) as client:
        assert client.close_code() == 4403
    assert client.frames[0]["type"] == "room.closed"


def test_under_uvicorn_bad_frames_are_answered_before_the_socket_is_closed(
    uvicorn: Any, cast: Cast, enter: Enter
) -> None:
    client = enter(uvicorn, cast.room, cast.member)
    for _ in range(20):
        client.send_raw("?")
    assert client.close_code() == 4400
    assert sum(frame["type"] == "error" for frame in client.frames) == 20
