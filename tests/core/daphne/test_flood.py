"""Whoever floods a socket is held up and ended, and others hear each other meanwhile."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from select import select

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from bench.hostile import FIRST, MORE, PAYLOADS, PING, TEXT, frame
from core.daphne.returns import AT_ONCE
from tests.conftest import StartServer
from tests.support import raw, servers
from tests.support.raw import CUT_OFF, RawSocket, close_frame
from tests.support.servers import ChatServer
from tests.support.sockets import (
    PATIENCE,
    UNLIMITED,
    Cast,
    Client,
    address,
    cast_of,
    session_of,
    wait_until,
)

Enter = Callable[..., Client]

FRAME_IN = 16_384
OFFERS = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


@pytest.fixture(scope="module")
def guarded(chat_database: str, template_database: str) -> Iterator[ChatServer]:
    """A server with the usual rate of frames, that loses its patience sooner."""
    env = {**UNLIMITED, "CHAT_FRAMES_PER_SECOND": "20", "CHAT_BAD_FRAMES_MAX": "3"}
    with servers.chat_server(template_database, env=env | {"DATABASE_URL": chat_database}) as one:
        yield one


@pytest.fixture(scope="module")
def room(chat_database: str) -> Cast:
    return cast_of()


@pytest.fixture(scope="module")
def ends(guarded: ChatServer, room: Cast) -> Mapping[str, tuple[int | str, str]]:
    """How a socket of each kind ends, in the room and at an address where nothing is. All of them
    at once, since each takes the seconds that the server is patient for."""
    found: dict[str, tuple[int | str, str]] = {}
    places = {
        "signed in": (f"/ws/chat/{room.room.slug}/", room.member),
        "nowhere": ("/ws/x/", None),
    }
    with ExitStack() as stack:
        readers = []
        for place, (path, user) in places.items():
            for name, (first, again) in PAYLOADS.items():
                hostile = stack.enter_context(RawSocket(guarded, path, user)).answered()
                hostile.tcp.settimeout(8)  # less than who does not flood has for a close answer
                hostile.flood(first, again)

                def read(hostile: RawSocket = hostile, key: str = f"{name}, {place}") -> None:
                    found[key] = hostile.end()

                readers.append(threading.Thread(target=read, daemon=True))
                readers[-1].start()
        _talk(guarded, room, while_=lambda: _any_left(readers))
    return found


def _any_left(readers: list[threading.Thread]) -> bool:
    for reader in readers:
        if reader.is_alive():
            reader.join(0.2)  # not to say more than one may
            return True
    return False


def _talk(server: ChatServer, cast: Cast, *, while_: Callable[[], bool]) -> None:
    """Two people write to each other, and hear each other."""
    with (
        Client(server, cast.room, cast.owner) as one,
        Client(server, cast.room, cast.moderator) as two,
    ):
        for client in (one, two):
            client.until("presence.state")
        number = 0
        while while_() or not number:
            number += 1
            one.send(message=f"beside a flood {number}")
            for client in (one, two):
                client.until("chat.message", message=f"beside a flood {number}")


@pytest.mark.parametrize("kind", [kind for kind in PAYLOADS if kind != "close frames"])
def test_who_floods_a_room_is_closed_with_4400(
    ends: Mapping[str, tuple[int | str, str]], kind: str
) -> None:
    assert ends[f"{kind}, signed in"][0] == 4400


@pytest.mark.parametrize("kind", PAYLOADS)
def test_who_floods_where_nothing_is_sees_4404_and_is_cut_off(
    ends: Mapping[str, tuple[int | str, str]], kind: str
) -> None:
    assert ends[f"{kind}, nowhere"][0] == 4404


def test_close_frames_are_answered_once(ends: Mapping[str, tuple[int | str, str]]) -> None:
    assert ends["close frames, signed in"][0] == 1000


def test_the_close_frame_says_what_was_wrong(
    ends: Mapping[str, tuple[int | str, str]],
) -> None:
    assert (
        ends["empty pongs, signed in"][1]
        == "Your browser or app sent too many requests for too long."
    )
    assert "exceeds payload limit" in ends["a frame too long, signed in"][1]
    assert "mask" in ends["frames without a mask, signed in"][1]


def test_a_frame_that_comes_byte_by_byte_is_held_up_as_well(
    guarded: ChatServer, room: Cast
) -> None:
    with RawSocket(guarded, f"/ws/chat/{room.room.slug}/", room.member).answered() as hostile:
        hostile.tcp.setsockopt(raw.socket.IPPROTO_TCP, raw.socket.TCP_NODELAY, 1)
        hostile.flood(b"\x81\xfe\xff\xff\0\0\0\0", b"x" * 100)
        _talk(guarded, room, while_=lambda: False)


# -- ordinary people are left in peace --------------------------------------------------------


def test_pings_and_a_message_in_fragments_are_no_flood(
    guarded: ChatServer, room: Cast, enter: Enter
) -> None:
    other = enter(guarded, room.room, room.owner)
    cookie = {"Cookie": f"{guarded.cookie()}={session_of(room.member)}"}
    url = address(guarded, room.room)
    with connect(url, additional_headers=cookie, proxy=None, compression=None) as socket:
        for _ in range(10):
            assert socket.ping().wait(10)
        text = json.dumps({"message": "in pieces " + "x" * 3_000})
        socket.send(text[n : n + 100] for n in range(0, len(text), 100))
        assert other.until("chat.message")["message"] == json.loads(text)["message"]
        socket.send(json.dumps({"message": "still here"}))
        other.until("chat.message", message="still here")


def test_a_frame_a_little_too_long_is_answered_and_a_longer_one_ends_the_socket(
    guarded: ChatServer, room: Cast
) -> None:
    path = f"/ws/chat/{room.room.slug}/?since="
    with RawSocket(guarded, path, room.member).answered() as socket:
        socket.send(frame(TEXT, b"x" * (FRAME_IN + 1)))
        assert socket.until(raw.TEXT, b'"too_long"')
        in_two = frame(FIRST, b"x" * FRAME_IN), frame(0x80, b"x" * FRAME_IN)
        socket.send(b"".join(in_two))
        assert socket.until(raw.TEXT, b'"too_long"')
    for frames in (
        [frame(FIRST, b"x" * 40_000), frame(MORE, b"x" * (4 * FRAME_IN - 39_999))],
        [b"\x81\xff" + (4 * FRAME_IN + 1).to_bytes(8, "big") + b"\0\0\0\0"],
    ):
        with RawSocket(guarded, path, room.member).answered() as socket:
            socket.send(b"".join(frames))
            code, reason = socket.end()
            assert code == 4400
            assert "exceeds payload limit of 65536" in reason


def test_no_compression_is_agreed_to(guarded: ChatServer, room: Cast) -> None:
    path = f"/ws/chat/{room.room.slug}/?since="
    with RawSocket(guarded, path, room.member, headers=OFFERS).answered() as socket:
        assert "101" in socket.head.splitlines()[0]
        assert "extensions" not in socket.head.lower()


# -- what is never taken, or comes where nothing should ----------------------------------------


def test_pings_that_nobody_reads_end_the_connection_at_the_bound_of_the_outbox(
    start_server: StartServer, chat_database: str, room: Cast
) -> None:
    # Without a limit of frames: it is the bytes that count. That takes seconds, since the system
    # has room for megabytes before anything waits in the server.
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "CHAT_OUTBOX_BYTES": "300000"}
    server = start_server(env=env)
    path = f"/ws/chat/{room.room.slug}/?since="
    pings = frame(PING, b"x" * 125) * 500
    with RawSocket(server, path, room.member, unread=4096).answered() as socket:
        with pytest.raises(ConnectionError):
            socket.send(pings * 400)
        _talk(server, room, while_=lambda: False)


def test_who_closes_and_reads_nothing_is_not_waited_for(
    start_server: StartServer, chat_database: str, room: Cast
) -> None:
    """Takes ten seconds: those that a client has to read on before it is cut off."""
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "CHAT_OUTBOX_BYTES": "50000000"}
    server = start_server(env=env)
    path = f"/ws/chat/{room.room.slug}/?since="
    process = psutil.Process(server.pid)
    with RawSocket(server, path, room.member, unread=4096).answered() as socket:
        port = socket.tcp.getsockname()[1]

        def is_there() -> bool:
            return any(one.raddr and one.raddr.port == port for one in process.net_connections())

        assert is_there()
        socket.send(frame(PING, b"x" * 125) * 60_000 + close_frame(1000))
        wait_until(lambda: not is_there(), "the connection is kept", seconds=2 * PATIENCE)


def test_a_close_answer_ends_the_handshake_at_once(guarded: ChatServer) -> None:
    with RawSocket(guarded, "/ws/nowhere/").answered() as socket:
        assert socket.next() == (8, (4404).to_bytes(2, "big"))
        socket.tcp.settimeout(5)  # seconds, half of what it would have without an answer
        socket.send(frame(TEXT, b"on its way") + close_frame(4404))
        assert socket.end()[0] == CUT_OFF


def test_the_body_of_a_handshake_is_not_taken_for_frames(guarded: ChatServer, room: Cast) -> None:
    path = f"/ws/chat/{room.room.slug}/?since="
    body = frame(TEXT, b'{"type":"ping","ref":"body"}')
    length = f"Content-Length: {len(body)}\r\n"
    with RawSocket(guarded, path, room.member, headers=length, body=body).answered() as socket:
        socket.send(frame(TEXT, b'{"type":"ping","ref":"frame"}'))
        assert b'"frame"' in socket.until(raw.TEXT, b'"pong"')


def test_a_request_that_is_too_large_is_refused_before_it_came(guarded: ChatServer) -> None:
    answer = httpx.post(f"{guarded.url}/accounts/sign-in/", content=b"x" * 3_000_000)
    assert answer.status_code == 413


# -- who was turned away ------------------------------------------------------------------------


A_SECOND = 2  # are forgiven, so that no machine is too slow to come more often


def _bring_into_debt(
    come: Callable[[], RawSocket], is_refused: Callable[[RawSocket], bool]
) -> None:
    """Be turned away until who comes next has to wait."""
    began, times = time.monotonic(), 0
    while times < AT_ONCE - 5 + A_SECOND * (time.monotonic() - began):
        times += 1
        assert times < 10 * AT_ONCE
        with come() as refused:
            assert is_refused(refused)
    with ExitStack() as stack:  # the last of them at once, before they have to wait themselves
        many = [stack.enter_context(come()) for _ in range(12)]
        assert all(is_refused(refused) for refused in many)


@pytest.fixture(scope="module")
def unforgiving(chat_database: str, template_database: str) -> Iterator[ChatServer]:
    env = {**UNLIMITED, "DATABASE_URL": chat_database, "FORGIVEN_A_SECOND": str(A_SECOND)}
    with servers.chat_server(template_database, env=env) as running:
        yield running


@pytest.fixture(scope="module")
def behind_proxy(unforgiving: ChatServer, template_database: str) -> Iterator[ChatServer]:
    env = {**UNLIMITED, "TRUSTED_PROXY": "on", "FORGIVEN_A_SECOND": str(A_SECOND)}
    with servers.chat_server(template_database, env=env, beside=unforgiving) as running:
        yield running


@pytest.mark.parametrize("proxied", [False, True])
def test_who_was_turned_away_too_often_waits_and_another_address_does_not(
    unforgiving: ChatServer, behind_proxy: ChatServer, room: Cast, proxied: bool
) -> None:
    """Takes seconds: so long waits who came too often."""
    server = behind_proxy if proxied else unforgiving

    def come(path: str, session: str, last: int) -> RawSocket:
        if proxied:
            header = f"X-Real-IP: 192.0.2.{last}\r\n"
            return RawSocket(server, path, session=session, headers=header)
        return RawSocket(server, path, session=session, address=f"127.0.7.{last}")

    def is_turned_away(socket: RawSocket) -> bool:
        return socket.answered().next() == (8, (4404).to_bytes(2, "big"))

    member, owner = session_of(room.member), session_of(room.owner)
    path = f"/ws/chat/{room.room.slug}/?since="
    _bring_into_debt(lambda: come("/ws/nowhere/", "", 1), is_turned_away)
    with ExitStack() as stack:
        waiting = [stack.enter_context(come(path, member, 1)) for _ in range(12)]
        other = stack.enter_context(come(path, owner, 2))
        other.answered().until(raw.TEXT, b"chat.history")
        assert not select([waiting[-1].tcp], [], [], 0)[0]
        waiting[-1].answered().until(raw.TEXT, b"chat.history")  # in the end it is let in


MALFORMED = {
    "a protocol twice": "Sec-WebSocket-Protocol: a, a\r\n",
    "a protocol that is no ASCII": "Sec-WebSocket-Protocol: ÿ\r\n",
    "an origin that is none": "Origin: http://[x\r\n",
    "two versions": "Sec-WebSocket-Version: 7\r\n",
    "two keys": "Sec-WebSocket-Key: x\r\n",
}


@pytest.mark.parametrize("number", range(len(MALFORMED)), ids=[*MALFORMED])
def test_a_handshake_that_is_malformed_is_refused_and_counts(
    unforgiving: ChatServer, room: Cast, number: int
) -> None:
    """Takes seconds: so long waits who came too often."""
    header, address = [*MALFORMED.values()][number], f"127.0.8.{number + 1}"
    path = f"/ws/chat/{room.room.slug}/?since="
    member, log = session_of(room.member), unforgiving.log.read_text()

    def come(headers: str = "") -> RawSocket:
        return RawSocket(unforgiving, path, session=member, address=address, headers=headers)

    def is_refused(socket: RawSocket) -> bool:
        return socket.answered().head.split()[1] in ("400", "429")

    _bring_into_debt(lambda: come(header), is_refused)
    with ExitStack() as stack:
        waiting = [stack.enter_context(come()) for _ in range(4)]
        assert not select([waiting[-1].tcp], [], [], 0.1)[0]
        assert "101" in waiting[-1].answered().head.splitlines()[0]
    assert "Traceback" not in unforgiving.log.read_text().removeprefix(log)
