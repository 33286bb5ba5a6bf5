"""What waits before a socket is worked on: held up, in turns, and hardly any after our close."""

import asyncio
from typing import Any

import pytest

from bench.hostile import PONG, TEXT, frame
from core.daphne import intake
from core.daphne.frames import TURN
from core.daphne.intake import AFTER_CLOSE, Intake
from tests.support.transports import Transport

PONGS = frame(PONG)


class Protocol:
    """Stands for Autobahn's."""

    STATE_OPEN, STATE_CLOSING = 3, 2

    def __init__(self) -> None:
        self.transport = Transport()
        self.state = self.STATE_OPEN
        self.taken = b""
        self.is_cut_off = False
        self.impatient = 0
        self.intake = Intake(self)

    def _dataReceived(self, data: bytes) -> None:
        self.taken += data

    def lose_patience(self) -> None:
        self.impatient += 1

    def cut_off(self) -> None:
        self.is_cut_off = True
        self.intake.end()


@pytest.fixture
def protocol(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Protocol:
    settings.CHAT_FRAMES_PER_SECOND = 20
    monkeypatch.setattr(intake, "TRY_AGAIN", 0.01)
    return Protocol()


async def test_others_have_their_turn_between_the_frames_of_one_read(protocol: Protocol) -> None:
    texts = frame(TEXT, b"{}") * 120
    protocol.intake.receive(texts)
    taken = []
    while not protocol.transport.is_read or not taken:
        taken.append(len(protocol.taken) // len(frame(TEXT, b"{}")))
        await asyncio.sleep(0)
    assert taken == [TURN, 2 * TURN]
    assert protocol.taken == texts
    assert protocol.transport.is_read


async def test_who_sends_faster_than_it_may_is_not_read_from_and_nothing_is_lost(
    protocol: Protocol,
) -> None:
    pongs = PONGS * 110  # a hundred are let through at once
    protocol.intake.receive(pongs)
    while not protocol.impatient:
        await asyncio.sleep(0)
    assert len(protocol.taken) == 100 * len(PONGS)
    assert not protocol.transport.is_read
    async with asyncio.timeout(5):
        while not protocol.transport.is_read:
            await asyncio.sleep(0.01)
    assert protocol.taken == pongs


async def test_after_our_close_a_few_frames_are_looked_at_and_then_none(
    protocol: Protocol,
) -> None:
    protocol.state = protocol.STATE_CLOSING
    protocol.intake.receive(PONGS * 10_000)
    while not protocol.is_cut_off:
        await asyncio.sleep(0)
    protocol.intake.receive(PONGS * 10_000)
    await asyncio.sleep(0)
    assert len(protocol.taken) == AFTER_CLOSE * len(PONGS)
    assert not protocol.transport.is_read


async def test_what_comes_before_the_handshake_is_answered_waits_for_it(
    protocol: Protocol,
) -> None:
    protocol.intake.hold("handshake")
    protocol.intake.hold("application")
    protocol.intake.receive(PONGS)
    protocol.intake.let_go("handshake")
    assert (protocol.taken, protocol.transport.is_read) == (b"", False)
    protocol.intake.let_go("application")
    assert (protocol.taken, protocol.transport.is_read) == (PONGS, True)
