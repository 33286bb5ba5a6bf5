"""Everything has a bound, the bound is a setting, and past it comes a clear error."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import psutil
import pytest
from django.conf import settings
from websockets.exceptions import ConnectionClosed

from chat.factories import MembershipFactory, MessageFactory, RoomFactory
from chat.models import Message
from core.models import User
from tests.conftest import StartServer
from tests.support import servers
from tests.support.servers import ChatServer
from tests.support.sockets import PATIENCE, UNLIMITED, Cast, Client, cast_of, session_of, texts

Enter = Callable[..., Client]

SMALL = {
    **UNLIMITED,
    "CHAT_MESSAGE_MAX": "50",
    "CHAT_FRAME_IN_MAX": "1000",
    "CHAT_HISTORY_PAGE": "5",
    "CHAT_HISTORY_MAX": "10",
    "CHAT_CATCH_UP_MAX": "8",
    "CHAT_CONNECTIONS_MAX": "3",
    "CHAT_BAD_FRAMES_MAX": "4",
}


@pytest.fixture(scope="module")
def small(chat_database: str, template_database: str) -> Iterator[ChatServer]:
    """A server whose every limit is near."""
    env = {**SMALL, "DATABASE_URL": chat_database}
    with servers.chat_server(template_database, env=env) as running:
        yield running


def test_the_limits_are_those_of_the_design() -> None:
    assert (settings.CHAT_MESSAGE_MAX, settings.CHAT_FRAME_IN_MAX) == (4_000, 16_384)
    assert settings.CHAT_FRAME_OUT_MAX == 262_144
    assert (settings.CHAT_HISTORY_PAGE, settings.CHAT_HISTORY_MAX) == (50, 100)
    assert (settings.CHAT_RATE_MESSAGES, settings.CHAT_RATE_SECONDS) == (10, 10)
    assert (settings.CHAT_RATE_BURST, settings.CHAT_CONNECTIONS_MAX) == (20, 20)
    assert settings.CHAT_RATE_EDITS == 5
    assert (settings.CHAT_OUTBOX_FRAMES, settings.CHAT_OUTBOX_BYTES) == (256, 1_048_576)
    assert settings.CHAT_CATCH_UP_MAX == 500


def test_a_message_over_its_limit_is_too_long_and_is_not_stored(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    client = enter(small, cast.room, cast.member)
    client.say("x" * 50)
    some_id = "4f7cf16b-0b5e-4a86-a6f4-6a53c8f1b6a1"
    client.send(message="x" * 51, ref=1, client_id=some_id)
    error = client.until("error")
    assert (error["code"], error["ref"], error["client_id"]) == ("too_long", 1, some_id)
    client.send(message="y" * 1_000, ref=2, client_id=some_id)
    error = client.until("error")
    assert (error["code"], error["ref"], error["client_id"]) == ("too_long", 2, some_id)
    assert texts(client.meanwhile()) == []
    assert Message.objects.filter(room=cast.room).count() == 1


def test_a_page_has_its_size_and_what_may_be_asked_for_its_bound(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(30, room=cast.room)
    client = enter(small, cast.room, cast.member)
    assert [m["seq"] for m in client.frames[0]["messages"]] == [26, 27, 28, 29, 30]
    assert client.frames[0]["more"] is True
    for asked, given in ((None, 5), (3, 3), (10, 10), (11, 10), (10**12, 10)):
        page = client.asks(type="chat.history", before=20, limit=asked)
        assert [m["seq"] for m in page["messages"]] == list(range(20 - given, 20))


def test_no_frame_is_larger_than_its_limit_and_paging_back_has_no_hole(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(25, room=cast.room, body="x" * 40_000)
    client = enter(small, cast.room, cast.member)
    seqs = [m["seq"] for m in client.frames[0]["messages"]]
    more, pages = client.frames[0]["more"], 1
    while more:
        page = client.asks(type="chat.history", before=seqs[0], limit=10)
        seqs = [m["seq"] for m in page["messages"]] + seqs
        more, pages = page["more"], pages + 1
    assert seqs == list(range(1, 26))
    assert pages > 3
    assert max(len(payload) for payload in client.payloads) <= settings.CHAT_FRAME_OUT_MAX


def test_catch_up_leaves_in_frames_under_the_limit(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(12, room=cast.room, body="\x01" * 20_000)
    client = enter(small, cast.room, cast.member, since=8)
    pages = [frame for frame in client.frames if frame["type"] == "chat.history"]
    assert {page["mode"] for page in pages} == {"since"}
    assert len(pages) > 1
    assert [m["pos"] for page in pages for m in page["messages"]] == list(range(9, 13))
    assert all(page["head"] == page["messages"][-1]["pos"] for page in pages)
    assert max(len(payload) for payload in client.payloads) <= settings.CHAT_FRAME_OUT_MAX


def test_more_than_may_be_caught_up_with_is_a_reset(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    MessageFactory.create_batch(12, room=cast.room)
    assert enter(small, cast.room, cast.member, since=4).frames[0]["mode"] == "since"
    page = enter(small, cast.room, cast.member, since=3).frames[0]
    assert (page["mode"], page["head"]) == ("reset", 12)
    assert [m["seq"] for m in page["messages"]] == [8, 9, 10, 11, 12]


def test_a_user_has_so_many_connections_and_one_more_is_closed_with_4429(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    rooms = [cast.room, cast.room, RoomFactory()]
    first, *_ = [enter(small, room, cast.member) for room in rooms]
    with Client(small, cast.room, cast.member) as fourth:
        assert fourth.close_code() == 4429
    enter(small, cast.room, cast.owner)
    first.say("I am still here")
    first.close()
    deadline = time.monotonic() + PATIENCE
    while True:  # a place is free again, as soon as the server has seen the other go
        with Client(small, cast.room, cast.member) as again:
            if again.next()["type"] == "chat.history":
                break
        assert time.monotonic() < deadline


def test_too_many_bad_frames_close_that_socket_and_no_other(
    small: ChatServer, cast: Cast, enter: Enter
) -> None:
    bad, good = enter(small, cast.room, cast.member), enter(small, cast.room, cast.member)
    for n in range(4):
        bad.send_raw("not json")
        if n < 3:
            assert bad.until("error")["code"] == "bad_json"
    assert bad.close_code() == 4400
    good.say("unharmed")


# -- rates ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def usual(chat_database: str, template_database: str) -> Iterator[ChatServer]:
    """A server with the usual rates of messages, and as many frames as one likes."""
    env = {"DATABASE_URL": chat_database, "CHAT_FRAMES_PER_SECOND": "0", "CHAT_RATE_BURST": "5"}
    with servers.chat_server(template_database, env=env) as running:
        yield running


def test_a_burst_of_messages_passes_and_the_next_are_told_when_to_come_again(
    usual: ChatServer, cast: Cast, enter: Enter
) -> None:
    client, tab = enter(usual, cast.room, cast.member), enter(usual, cast.room, cast.member)
    for n in range(5):
        client.send(message=str(n))
    some_id = "4f7cf16b-0b5e-4a86-a6f4-6a53c8f1b6a1"
    tab.until("chat.message", message="4")
    tab.send(message="from another tab", client_id=some_id, ref="r")
    error = tab.until("error")
    assert (error["code"], error["client_id"], error["ref"]) == ("rate_limited", some_id, "r")
    assert 0 < error["retry_after"] <= 1
    assert Message.objects.filter(room=cast.room).count() == 5
    time.sleep(error["retry_after"] + 0.1)
    assert tab.asks(message="from another tab", client_id=some_id)["type"] == "chat.message"


def test_the_rate_counts_edits_and_reactions_and_spares_everything_that_stores_nothing(
    usual: ChatServer, cast: Cast, enter: Enter
) -> None:
    client = enter(usual, cast.room, cast.member)
    message = client.asks(message="hello")
    for n in range(2):
        client.asks(type="chat.edit", id=message["id"], message=str(n))
        client.asks(type="chat.react", id=message["id"], emoji="👍", on=not n)
    assert client.asks(type="chat.delete", id=message["id"])["code"] == "rate_limited"
    for _ in range(20):
        assert client.asks(type="ping")["type"] == "pong"
        assert client.asks(type="chat.history")["type"] == "chat.history"
        assert client.asks(type="chat.read", seq=1)["type"] == "chat.read"


def test_edits_have_a_rate_of_their_own(
    chat_database: str, template_database: str, cast: Cast, enter: Enter
) -> None:
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "CHAT_RATE_EDITS": "3"}
    with servers.chat_server(template_database, env=env) as server:
        client, tab = enter(server, cast.room, cast.member), enter(server, cast.room, cast.member)
        message = client.asks(message="hello")
        for n in range(3):
            client.asks(type="chat.edit", id=message["id"], message=str(n))
        error = tab.asks(type="chat.edit", id=message["id"], message="from another tab")
        assert (error["code"], 0 < error["retry_after"] <= 4) == ("rate_limited", True)
        assert tab.asks(message="not an edit")["type"] == "chat.message"
    bodies = Message.objects.filter(room=cast.room).order_by("seq").values_list("body", flat=True)
    assert list(bodies) == ["2", "not an edit"]


def test_the_rate_is_a_users_in_a_room(usual: ChatServer, cast: Cast, enter: Enter) -> None:
    client = enter(usual, cast.room, cast.member)
    codes = [client.asks(message=str(n)).get("code") for n in range(7)]
    assert codes[:5] == [None] * 5
    assert "rate_limited" in codes[5:]
    assert enter(usual, cast.room, cast.owner).asks(message="owner")["type"] == "chat.message"
    elsewhere = enter(usual, RoomFactory(), cast.member)
    assert elsewhere.asks(message="elsewhere")["type"] == "chat.message"


@pytest.mark.parametrize("command", ["chat.history", "presence.get"])
def test_frames_that_read_wait_for_their_answers_and_none_is_refused(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter, command: str
) -> None:
    """A second is what it takes: ten at once, and then two a second."""
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "CHAT_FRAMES_PER_SECOND": "10"}
    server = start_server(env=env)
    client, tab = (enter(server, cast.room, cast.member) for _ in range(2))
    began = time.monotonic()
    for n in range(12):
        client.send(type=command, ref=n)
    answers = [client.next() for _ in range(10)]
    assert tab.asks(type="ping")["type"] == "pong"  # others do not wait with them
    answers += [client.next() for _ in range(2)]
    assert [frame.get("ref") for frame in answers] == [*range(12)]
    assert "error" not in {frame["type"] for frame in answers}
    assert time.monotonic() - began > 0.9


def test_frames_of_any_kind_have_a_rate_and_the_socket_lives(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter
) -> None:
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "CHAT_FRAMES_PER_SECOND": "2"}
    server = start_server(env=env)
    client, other = enter(server, cast.room, cast.member), enter(server, cast.room, cast.owner)
    for n in range(14):
        client.send(type="ping", ref=n)
    answers = [client.next() for _ in range(14)]
    assert [frame["type"] for frame in answers[:10]] == ["pong"] * 10
    refused = [frame for frame in answers if frame["type"] == "error"]
    assert refused
    assert {frame["code"] for frame in refused} == {"rate_limited"}
    assert all(0 < frame["retry_after"] <= 0.5 for frame in refused)
    other.say("unharmed")
    time.sleep(1)
    assert client.asks(type="ping")["type"] == "pong"


def test_a_burst_of_frames_is_forgiven_and_who_never_slows_down_is_closed(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter
) -> None:
    env = {**UNLIMITED, "DATABASE_URL": chat_database}
    env |= {"CHAT_FRAMES_PER_SECOND": "2", "CHAT_BAD_FRAMES_MAX": "3"}
    server = start_server(env=env)
    client, other = enter(server, cast.room, cast.member), enter(server, cast.room, cast.owner)
    for n in range(300):
        client.send(type="ping", ref=n)
    client.until("error", ref=299)
    time.sleep(2)
    assert client.asks(type="ping")["type"] == "pong"
    with suppress(ConnectionClosed):
        for _ in range(100):
            for _ in range(10):
                client.send(type="ping")
            time.sleep(0.1)
    assert client.close_code(1) == 4400
    other.say("unharmed")


# -- who reads too slowly ---------------------------------------------------------------------


def deaf(server: ChatServer, cast: Cast, user: User) -> socket.socket:
    """A socket of a user that is never read."""
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    tcp.connect(("127.0.0.1", server.port))
    tcp.sendall(
        (
            f"GET /ws/chat/{cast.room.slug}/?since= HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Cookie: {server.cookie()}={session_of(user)}\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
    )
    return tcp


def test_who_stops_reading_costs_its_bound_is_closed_and_delays_nobody(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter
) -> None:
    env: dict[str, Any] = {
        **UNLIMITED,
        "DATABASE_URL": chat_database,
        "CHAT_OUTBOX_BYTES": "300000",
        "PRESENCE_GRACE_SECONDS": "0.2",
    }
    server = start_server(env=env)
    reader, sender = enter(server, cast.room, cast.owner), enter(server, cast.room, cast.moderator)
    sender.say("warm")
    with ExitStack() as stack:
        for n in range(4):
            user = MembershipFactory(room=cast.room).user
            stack.enter_context(deaf(server, cast, user))
            reader.until("presence.joined", online=3 + n)
        process = psutil.Process(server.pid)
        before = process.memory_info().rss
        for n in range(3_000):  # 12 MB for each of them
            text = f"{n:04}" + "x" * 3_990
            sender.send(message=text)
            if n % 50 == 49:
                sender.until("chat.message", message=text)
        reader.until("chat.message", message=text)
        reader.had("presence.left", online=2)
        grown = process.memory_info().rss - before
    seen = [frame["message"][:4] for frame in reader.frames if frame["type"] == "chat.message"]
    assert seen[-3_000:] == [f"{n:04}" for n in range(3_000)]
    assert grown < 4 * 12_000_000 / 2, f"it grew by {grown:,} bytes"


def test_who_reads_on_after_a_while_sees_why_it_was_closed(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter
) -> None:
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "CHAT_OUTBOX_BYTES": "300000"}
    server = start_server(env=env)
    sender = enter(server, cast.room, cast.owner)
    with deaf(server, cast, cast.member) as tcp:
        sender.until("presence.joined", online=2)
        for _ in range(40):  # 8 MB, more than it and the system's buffers take
            for _ in range(49):
                sender.send(message="x" * 4_000)
            sender.asks(message="the last of fifty")
        time.sleep(1.5)  # longer than Autobahn would have waited
        tcp.settimeout(PATIENCE)
        received = b""
        while not received.endswith(b"\x88\x02" + (4408).to_bytes(2, "big")):  # a close frame
            data = tcp.recv(1_000_000)  # raises where the connection is reset
            assert data
            received = received[-4:] + data


def test_who_was_too_slow_comes_back_with_a_cursor_and_has_all(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    sender = enter(chat, cast.room, cast.owner)
    first = sender.say("the last that was read")
    for n in range(30):
        sender.say(str(n))
    back = enter(chat, cast.room, cast.member, since=first["pos"])
    assert [m["message"] for m in back.frames[0]["messages"]] == [str(n) for n in range(30)]


def test_the_cast_is_whole(cast: Cast) -> None:
    """Silence about the outsider proves nothing unless they exist."""
    assert len({user.pk for user in cast[1:]}) == 5
    assert cast_of().room.pk != cast.room.pk
