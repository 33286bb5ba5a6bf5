"""What is on its way to one connection: whole, in order, bounded, and never in another's way."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from chat.consumers import RoomConsumer
from chat.live.connection import Connection, SendClose
from chat.live.feed import Feed
from chat.live.outbox import Outbox, Overflow, Parcel
from chat.models import Room
from chat.protocol.errors import Close, Rejected
from chat.rooms.admission import Admission
from core.models import User


class Reader:
    """The `send` of an ASGI server whose client reads when it is told to."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.reads = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.sent.append(message["text"].encode())


class Socket:
    """A wire whose client has taken all, or nothing more."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.kept = 0
        self.reads = True

    def write(self, frames: bytes) -> None:
        self.written.append(frames)
        self.kept += 0 if self.reads else len(frames)

    def reads_all_but(self, last: int) -> None:
        """The client takes all but the last so many of the frames that were written."""
        self.kept = sum(map(len, self.written[-last:]))

    def waiting(self) -> int:
        return self.kept


async def nobody(message: dict[str, Any]) -> None:
    raise AssertionError("the wire is the way")


def payloads_of(frames: bytes) -> list[bytes]:
    """The frames, as a client that nobody here wrote reads them."""
    client = Protocol(CLIENT, state=OPEN, max_size=None)
    client.receive_data(frames)
    read = client.events_received()
    assert all(frame.opcode is Opcode.TEXT and frame.fin for frame in read)  # type: ignore[union-attr]
    return [bytes(frame.data) for frame in read]  # type: ignore[union-attr]


async def pushed_until_full(outbox: Outbox, contents: list[bytes]) -> int:
    """How many were taken before the outbox was full."""
    for n, one in enumerate(contents):
        try:
            outbox.push_one(one)
        except Overflow:
            return n
        await asyncio.sleep(0)
    raise AssertionError("it was never full")


def objects(count: int, size: int = 0) -> list[bytes]:
    return [json.dumps({"n": n, "filling": "x" * size}).encode() for n in range(count)]


@given(st.lists(st.binary(min_size=1, max_size=200).map(lambda raw: raw.hex().encode())))
def test_the_finished_frames_say_what_went_into_the_parcel(contents: list[bytes]) -> None:
    parcel = Parcel(contents)
    assert payloads_of(parcel.frames(lines=False)) == contents
    assert b"\n".join(payloads_of(parcel.frames(lines=True))) == b"\n".join(contents)


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_frame_of_any_length_can_be_read(size: int) -> None:
    assert payloads_of(Parcel([b"x" * size]).frames(lines=False)) == [b"x" * size]


def test_objects_share_a_frame_up_to_its_limit(settings: Settings) -> None:
    settings.CHAT_FRAME_OUT_MAX = 1_000
    contents = objects(50, size=80)
    together = payloads_of(Parcel(contents).frames(lines=True))
    assert 1 < len(together) < 50
    assert all(len(payload) <= 1_000 for payload in together)
    assert b"\n".join(together).split(b"\n") == contents


def test_one_object_over_the_limit_still_leaves_alone(settings: Settings) -> None:
    settings.CHAT_FRAME_OUT_MAX = 100
    contents = [b"a", b"b" * 500, b"c"]
    assert payloads_of(Parcel(contents).frames(lines=True)) == contents


def test_a_parcel_is_made_once_for_all_who_get_it() -> None:
    parcel = Parcel(objects(3))
    assert parcel.frames(lines=True) is parcel.frames(lines=True)
    assert parcel.frames(lines=False) is parcel.frames(lines=False)


async def test_a_plain_client_gets_one_object_a_frame_in_order() -> None:
    reader = Reader()
    outbox = Outbox(reader.send, lines=False, wire=None)
    contents = objects(20)
    for one in contents[:10]:
        outbox.push_one(one)
    outbox.push(Parcel(contents[10:]))
    reader.reads.set()
    await outbox.flushed()
    assert reader.sent == contents


async def test_what_gathers_while_one_send_runs_leaves_as_one_frame() -> None:
    reader = Reader()
    outbox = Outbox(reader.send, lines=True, wire=None)
    contents = objects(20)
    outbox.push_one(contents[0])
    await asyncio.sleep(0)  # its send has begun
    for one in contents[1:]:
        outbox.push_one(one)
    reader.reads.set()
    await outbox.flushed()
    assert reader.sent == [contents[0], b"\n".join(contents[1:])]


async def test_pushing_again_after_all_was_sent_sends_again() -> None:
    reader = Reader()
    reader.reads.set()
    outbox = Outbox(reader.send, lines=True, wire=None)
    for one in objects(3):
        outbox.push_one(one)
        await outbox.flushed()
    assert reader.sent == objects(3)


@pytest.mark.parametrize("lines", [True, False])
async def test_a_reader_that_stops_costs_its_bound_in_frames(
    lines: bool, settings: Settings
) -> None:
    settings.CHAT_OUTBOX_FRAMES = 10
    outbox = Outbox(Reader().send, lines=lines, wire=None)
    assert 10 <= await pushed_until_full(outbox, objects(100)) <= 12
    outbox.close()


async def test_a_reader_that_stops_costs_its_bound_in_bytes(settings: Settings) -> None:
    settings.CHAT_OUTBOX_BYTES = 10_000
    outbox = Outbox(Reader().send, lines=True, wire=None)
    assert 9 <= await pushed_until_full(outbox, objects(100, size=1_000)) <= 11
    outbox.close()


async def test_one_large_parcel_fits_where_nothing_waits(settings: Settings) -> None:
    settings.CHAT_OUTBOX_BYTES, settings.CHAT_OUTBOX_FRAMES = 100, 2
    reader = Reader()
    reader.reads.set()
    outbox = Outbox(reader.send, lines=True, wire=None)
    outbox.push(Parcel(objects(50, size=100)))
    await outbox.flushed()
    assert b"\n".join(reader.sent).count(b"\n") == 49


async def test_the_wire_is_bounded_in_bytes_that_the_reader_has_not_taken(
    settings: Settings,
) -> None:
    settings.CHAT_OUTBOX_BYTES = 10_000
    wire = Socket()
    outbox = Outbox(nobody, lines=True, wire=wire)
    wire.reads = False
    await pushed_until_full(outbox, objects(100, size=1_000))
    assert 8 <= len(wire.written) <= 10


async def test_the_wire_is_bounded_in_frames(settings: Settings) -> None:
    settings.CHAT_OUTBOX_FRAMES = 10
    wire = Socket()
    outbox = Outbox(nobody, lines=False, wire=wire)
    wire.reads = False
    await pushed_until_full(outbox, objects(100))
    assert 10 <= len(wire.written) <= 12


def test_a_reader_that_keeps_up_may_get_any_number(settings: Settings) -> None:
    settings.CHAT_OUTBOX_FRAMES, settings.CHAT_OUTBOX_BYTES = 10, 1_000
    wire = Socket()
    outbox = Outbox(nobody, lines=False, wire=wire)
    for one in objects(500):
        outbox.push_one(one)
    assert payloads_of(b"".join(wire.written)) == objects(500)


@pytest.mark.parametrize("behind", [1, 8])
async def test_a_reader_that_is_always_a_little_behind_may_get_any_number(
    settings: Settings, behind: int
) -> None:
    settings.CHAT_OUTBOX_FRAMES = 10
    wire = Socket()
    wire.reads = False
    outbox = Outbox(nobody, lines=False, wire=wire)
    for one in objects(500):
        outbox.push_one(one)
        wire.reads_all_but(behind)
        wire.kept += 4  # and a part of the frame before them
    assert await pushed_until_full(outbox, objects(100)) == 10 - behind - 1


async def test_what_was_unread_before_the_reader_took_all_counts_no_more(
    settings: Settings,
) -> None:
    settings.CHAT_OUTBOX_FRAMES = 10
    wire = Socket()
    wire.reads = False
    outbox = Outbox(nobody, lines=False, wire=wire)
    for one in objects(10):
        outbox.push_one(one)
    wire.kept = 0
    (large,) = objects(1, size=10_000)
    assert await pushed_until_full(outbox, [large, *objects(100)]) == 1 + 10


async def test_one_who_does_not_read_does_not_hold_up_another() -> None:
    stuck, free = Reader(), Reader()
    free.reads.set()
    outboxes = [Outbox(one.send, lines=False, wire=None) for one in (stuck, free)]
    parcel = Parcel(objects(5))
    for outbox in outboxes:
        outbox.push(parcel)
    await outboxes[1].flushed()
    assert (stuck.sent, free.sent) == ([], objects(5))
    outboxes[0].close()


@pytest.mark.parametrize("on_wire", [True, False])
async def test_who_reads_nothing_is_turned_away_with_the_code_and_no_last_word(
    settings: Settings, on_wire: bool
) -> None:
    settings.CHAT_OUTBOX_FRAMES = 1
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()
        sent.append(message)

    wire = Socket()
    wire.reads, wire.kept = False, 1
    consumer = RoomConsumer()
    consumer.send = send
    consumer.outbox = Outbox(send, lines=False, wire=wire if on_wire else None)
    with suppress(Overflow):
        for one in objects(5):
            consumer.outbox.push_one(one)
            await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await consumer.reject(Rejected(Close.BAD_FRAMES, "Too many frames."))
    assert sent == [{"type": "websocket.close", "code": 4400}]


async def test_a_connection_whose_outbox_is_full_is_closed_with_4408_and_nothing_more_is_kept(
    settings: Settings,
) -> None:
    settings.CHAT_OUTBOX_FRAMES = 3
    closed: list[int] = []

    async def close(code: int) -> None:
        closed.append(code)

    reader = Reader()
    connection = connected(reader, close)
    for one in objects(50):
        connection.push_one(one)
        await asyncio.sleep(0)
    assert connection.closing is not None
    await connection.closing
    assert closed == [4408]
    reader.reads.set()
    await asyncio.sleep(0.01)
    assert len(reader.sent) <= 1


async def test_of_those_who_follow_a_room_who_reads_too_slowly_is_closed_alone(
    settings: Settings,
) -> None:
    settings.CHAT_OUTBOX_FRAMES = 3
    closed: list[Reader] = []
    feed, readers = Feed(1), [Reader() for _ in range(5)]
    stuck, others = readers[2], readers[:2] + readers[3:]
    for reader in readers:

        async def close(_: int, reader: Reader = reader) -> None:
            closed.append(reader)

        connection = connected(reader, close)
        connection.on_end.append(feed.connections.discard)
        feed.connections.add(connection)
    for reader in others:
        reader.reads.set()
    for one in objects(50):
        feed.send([one], feed.connections)
        for _ in range(5):  # turns, in which the others read
            await asyncio.sleep(0)
        for connection in [one for one in feed.connections if one.is_closing]:
            connection.end()
    assert closed == [stuck]
    assert len(feed.connections) == len(others)
    assert [b"".join(reader.sent).count(b"{") for reader in others] == [50] * 4


def connected(reader: Reader, close: SendClose) -> Connection:
    outbox = Outbox(reader.send, lines=True, wire=None)
    admitted = Admission(User(pk=7), Room(pk=1, slug="lobby"), "member", [])
    return Connection(admitted, outbox, close, process_id="process", session=None)
