"""Reads of the database from the event loop: bounded, and no longer than the database is away."""

import asyncio
import threading

import pytest
from django.db import OperationalError
from psycopg_pool import PoolTimeout

from chat.live import queries


def test_what_waits_to_be_read_has_a_bound_and_past_it_comes_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "WAITING_MAX", 6)
    gate = threading.Event()

    async def many() -> list[object]:
        reads = [asyncio.create_task(queries.query(gate.wait)(10)) for _ in range(9)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*reads, return_exceptions=True)

    done = asyncio.run(many())
    assert done[:6] == [True] * 6
    assert [type(one) for one in done[6:]] == [OperationalError] * 3
    assert asyncio.run(queries.query(gate.wait)(10)) is True  # those that are over count no more


def test_who_waited_for_a_connection_does_not_wait_a_second_time() -> None:
    calls = 0

    def read() -> None:
        nonlocal calls
        calls += 1
        raise OperationalError("couldn't get a connection") from PoolTimeout()

    with pytest.raises(OperationalError):
        asyncio.run(queries.query(read)())
    assert calls == 1
