"""A connection that ends is let go by everybody who holds it."""

import logging
from typing import Any

import pytest

from chat.live.connection import Connection
from chat.live.connections import Connections
from chat.live.outbox import Outbox
from chat.models import Room
from chat.protocol.errors import Close, Rejected
from chat.rooms.admission import Admission
from core.models import User


async def _nothing(_: Any) -> None: ...


@pytest.fixture
def connection() -> Connection:
    admitted = Admission(User(pk=7), Room(pk=1, slug="lobby"), "member", [])
    outbox = Outbox(_nothing, lines=True, wire=None)
    return Connection(admitted, outbox, _nothing, process_id="process", session=None)


def test_each_clean_up_runs_once_the_newest_first_though_one_fails(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "chat.live.connection")
    done: list[str] = []

    def fail(_: Connection) -> None:
        done.append("failed")
        raise RuntimeError

    connection.on_end += [lambda _: done.append("first"), fail, lambda _: done.append("last")]
    connection.end()
    connection.end()
    assert done == ["last", "failed", "first"]
    assert connection.is_closing


def test_a_person_has_so_many_connections_until_one_ends(
    connection: Connection, settings: Any
) -> None:
    settings.CHAT_CONNECTIONS_MAX = 1
    connections = Connections()
    connections.add(connection)
    with pytest.raises(Rejected) as rejected:
        connections.add(connection)
    assert rejected.value.code == Close.TOO_MANY
    assert connections.of(7) == [*connections] == [connection]
    connection.end()
    assert connections.of(7) == [*connections] == []
    connections.add(connection)
