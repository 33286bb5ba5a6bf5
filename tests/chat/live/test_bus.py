"""What is read from Redis, whatever is there."""

import math
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.live import bus
from core.redis.layers import Garbage
from tests.chat.live.garbage import (
    MESSAGES,
    PULSE,
    STATE,
    bad_bundles,
    bad_messages,
    change,
    states,
)

leaves = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary() | st.sampled_from([*bus.MESSAGES, "messages", "from", "type"])
)  # fmt: skip
anything = st.recursive(
    leaves,
    lambda inside: st.lists(inside) | st.dictionaries(st.text() | st.integers(), inside),
    max_leaves=30,
)
lookalikes = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from([*bus.MESSAGES]),
    st.dictionaries(
        st.sampled_from(["room", "user", "changes", "fields", "process", "code", "pos", "name"]),
        anything,
    ),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["type"])
def test_what_processes_say_is_read(message: dict[str, Any]) -> None:
    found = bus.opened(
        {"type": "hub.bundle", "from": "", "messages": msgpack.unpackb(msgpack.packb([message]))}
    )
    (read,) = (bus.understood(one) for one in found.messages)
    assert read is not None
    again = msgpack.packb(bus.packed("", [read])["messages"])
    assert msgpack.unpackb(again) == [message]


def test_every_type_has_an_example() -> None:
    assert {message["type"] for message in [*MESSAGES, PULSE]} == {*bus.MESSAGES}


def test_what_another_version_says_is_passed_by() -> None:
    assert bus.understood({"type": "from.a.newer.version", "room": None}) is None


@pytest.mark.parametrize("message", bad_messages(), ids=repr)
def test_a_message_with_one_wrong_field_is_garbage(message: Any) -> None:
    with pytest.raises(Garbage):
        bus.understood(message)


@pytest.mark.parametrize("bundle", bad_bundles(), ids=lambda one: repr(one)[:60])
def test_a_bundle_with_something_wrong_is_garbage(bundle: Any) -> None:
    with pytest.raises(Garbage):
        bus.opened(bundle)


@pytest.mark.parametrize("state", states(), ids=lambda state: repr(state[:40]))
def test_a_state_that_no_client_can_read_is_garbage(state: bytes) -> None:
    with pytest.raises(Garbage):
        bus.understood({"type": "room.changes", "room": 1, "changes": [change(state)]})


def test_a_state_leaves_as_one_line_of_what_is_known() -> None:
    loose = STATE.replace(b'"id"', b' \n "new": "\xff", "type": "room.closed", "id"')
    read = bus.understood({"type": "room.changes", "room": 1, "changes": [change(loose)]})
    assert isinstance(read, bus.Changes)
    assert read.changes[0].state == STATE


@given(anything | lookalikes)
def test_nothing_else_is_raised(value: Any) -> None:
    for read in (bus.opened, bus.understood):
        try:
            found = read(value)
        except Garbage:
            continue
        assert found is None or isinstance(found, (bus.Message, bus.Bundle))
        if isinstance(found, bus.Message):
            fields = msgspec.structs.asdict(found).values()
            assert not any(isinstance(one, float) and math.isnan(one) for one in fields)
