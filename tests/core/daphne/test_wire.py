"""A socket whose application is behind is not read from."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from core.daphne import wire
from core.daphne.intake import Intake
from tests.support.transports import Transport


@pytest.mark.parametrize(
    ("text", "many"), [("x", wire.UNREAD_FRAMES), ("x" * (wire.UNREAD_BYTES // 4), 4)]
)
async def test_a_sender_is_held_up_while_so_much_waits_and_let_on_afterwards(
    text: str, many: int
) -> None:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    transport = Transport()
    wire.hold_up(queue, Intake(SimpleNamespace(transport=transport)))
    for _ in range(3):
        for _ in range(many):
            queue.put_nowait({"type": "websocket.receive", "text": text})
        assert transport.is_read
        queue.put_nowait({"type": "websocket.receive", "text": text})
        assert not transport.is_read
        queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        while not queue.empty():
            await queue.get()
        assert transport.is_read
