"""A request that does not come to its end is not worked on for ever."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from core.daphne import requests
from core.daphne.requests import PIECES, BoundedChannel

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[BoundedChannel]:
    monkeypatch.setattr(requests, "NEXT_PIECE", 0.01)
    monkeypatch.setattr(requests, "ANSWER", 0.01)
    channel = BoundedChannel()
    channel.timeOut = None
    channel.makeConnection(StringTransport())
    yield channel
    channel.connectionLost(Failure(ConnectionDone()))  # closes the file of a body


async def answer(channel: BoundedChannel) -> bytes:
    """What it says before it hangs up."""
    async with asyncio.timeout(5):
        while not transport_of(channel).disconnecting:
            await asyncio.sleep(0.01)
    return bytes(transport_of(channel).value())


def transport_of(channel: BoundedChannel) -> Any:
    return channel.transport


async def test_a_body_without_end_is_refused_past_what_django_would_read(
    channel: BoundedChannel, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    channel.dataReceived(CHUNKED)
    while transport_of(channel).producerState == "producing":
        channel.dataReceived(b"3e8\r\n" + b"x" * 1_000 + b"\r\n")
    assert (await answer(channel)).startswith(b"HTTP/1.1 413 ")


async def test_of_what_is_too_large_nothing_more_is_read(channel: BoundedChannel) -> None:
    channel.dataReceived(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
    assert transport_of(channel).producerState == "paused"
    assert (await answer(channel)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 1_000,
        b"GET / HTTP/1.1\r\nX-A: " + b"x" * 20_000 + b"\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nno header\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"nonsense\r\n" * 1_000,
        CHUNKED + b"no size\r\n" + b"x" * 1_000,
    ],
)
async def test_what_is_no_request_is_refused_once_and_not_at_once(
    channel: BoundedChannel, request_: bytes
) -> None:
    """Who is refused at once comes back at once."""
    channel.dataReceived(request_)
    assert not transport_of(channel).value()
    assert not transport_of(channel).disconnecting
    assert transport_of(channel).producerState == "paused"
    channel.dataReceived(request_)
    assert await answer(channel) == requests.BAD_REQUEST


async def test_a_request_that_comes_byte_by_byte_is_read_slower_and_slower(
    channel: BoundedChannel,
) -> None:
    channel.dataReceived(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(PIECES - 1):
        channel.dataReceived(b"x")
    assert transport_of(channel).producerState == "producing"
    channel.dataReceived(b"x")
    assert transport_of(channel).producerState == "paused"
    async with asyncio.timeout(5):
        while transport_of(channel).producerState == "paused":
            await asyncio.sleep(0.01)


async def test_a_request_has_a_minute_however_often_a_piece_of_it_comes(
    channel: BoundedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.dataReceived(b"GET / HTTP/1.1\r\nX: ")
    channel.dataReceived(b"x")
    assert not transport_of(channel).disconnecting
    monkeypatch.setattr(requests, "SECONDS", -1)
    channel.dataReceived(b"x")
    assert (await answer(channel)).startswith(b"HTTP/1.1 408 ")
