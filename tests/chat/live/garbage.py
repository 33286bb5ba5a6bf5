"""What could lie in Redis beside what processes say: wrong at each level, in every way."""

import copy
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgpack

from chat.protocol.changes import MessageState, Person, encode

NOBODY = 10**9  # no room, no person
AHEAD = 10**12  # no log is so long
STATE = encode(
    MessageState(
        AHEAD, AHEAD, AHEAD, UUID(int=7), Person(1, "Eve"), "x", datetime(2026, 1, 1, tzinfo=UTC)
    )
)


def change(state: bytes = STATE) -> list[Any]:
    return ["chat.message", AHEAD, AHEAD, AHEAD, state]


PULSE = {"type": "hub.pulse", "process": "0" * 32}
ROOM = {"id": NOBODY, "slug": "s", "title": "T", "topic": "", "kind": "open"}
# One of each type that changes nothing: of nobody, or of what is not so.
MESSAGES: list[dict[str, Any]] = [
    {"type": "room.changes", "room": NOBODY, "changes": [change()]},
    {"type": "room.presence", "room": NOBODY, "changes": [["joined", "1", 1, 1, "Eve"]]},
    {"type": "room.update", "fields": ROOM},
    {"type": "user.read_up_to", "room": NOBODY, "user": NOBODY, "seq": 1},
    {"type": "user.typing", "room": NOBODY, "user": [NOBODY, "Eve"]},
    {"type": "user.changed", "user": NOBODY, "invisible": True},
    {"type": "user.renamed", "user": NOBODY, "name": "Eve"},
    {"type": "connection.end", "user": NOBODY, "code": 4403, "detail": "x", "room": NOBODY},
]
WRONG: list[Any] = [
    -1, 2**64 - 1, 1.5, float("nan"), True, b"x", "x" * 5_000,
    [], {}, [[]], {"type": "x"}, ["a", 1],
]  # fmt: skip
# What is right elsewhere: codes that no close frame of ours may bear.
WRONG_HERE: dict[str, list[Any]] = {"code": [999, 1001, 1005, 2999, 4404, 5000]}
# Where one of those is right after all.
FITS: dict[str, list[Any]] = {
    "invisible": [True],
    "changes": [[]],
    "fields": [],
}


def bad_messages(room: int = NOBODY) -> list[Any]:
    """Of each type, with one field wrong or missing."""
    found: list[Any] = [*WRONG, None, "hub.pulse", {"type": None}, {"type": 7}, {"no": "type"}]
    found = [one for one in found if one != {"type": "x"}]
    for message in MESSAGES:
        for name in message:
            if name in ("type", "invisible") or (message["type"], name) == (
                "connection.end",
                "room",
            ):
                continue
            found.append({key: value for key, value in message.items() if key != name})
        for place in places(message):
            for wrong in [*WRONG, *WRONG_HERE.get(str(place[-1]), [])]:
                if wrong not in FITS.get(str(place[-1]), []):
                    found.append(put(message, place, wrong))
    for one in found:
        if isinstance(one, dict) and one.get("room") == NOBODY:
            one["room"] = room
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something is in a message; not its type."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        if key != "type":
            yield (*path, key)
            yield from places(inner, (*path, key))


def put(message: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(message)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def bad_bundles() -> list[Any]:
    good = {"type": "hub.bundle", "from": "0" * 32, "messages": []}
    found: list[Any] = [*WRONG, None, "x", 7]
    found += [{key: good[key] for key in good if key != name} for name in good]
    for name in good:
        found += [
            {**good, name: wrong}
            for wrong in [None, *WRONG]
            if not (name == "messages" and isinstance(wrong, list))
            and not (name == "type" and isinstance(wrong, str))
        ]
    return found


def states() -> list[bytes]:
    return [
        b"", b"null", b"7", b"[]", b"{}", b"{", b"\xff\xfe", b"[" * 100_000,
        STATE[:-1], STATE + STATE, b'{"x":' + b"[" * 100_000, STATE.replace(b"Eve", b"\xff"),
        STATE.replace(b'"pos":%d' % AHEAD, b'"pos":3'),
        STATE.replace(b'"id":%d' % AHEAD, b'"id":3'),
        STATE.replace(b'"message":"x"', b'"message":["x"]'),
        STATE.replace(b'"message":"x"', b'"message":"%s"' % (b"x" * 300_000)),
        STATE.replace(b'"user":{"id":1,"name":"Eve"}', b'"user":"Eve"'),
    ]  # fmt: skip


def payloads(room: int, seed: int) -> list[bytes]:
    """What is published: bytes that are no msgpack, bundles that are none, and wrong messages."""
    dice = random.Random(seed)
    found = [
        b"", b"\xc1", b"\xff" * 50, b"{}", b"\x91" * 100_000, b"\xdf\xff\xff\xff\xff",
        b"\x81\x01\x02",
        msgpack.packb(msgpack.ExtType(5, b"x")), msgpack.packb(msgpack.Timestamp(1)),
        msgpack.packb(b"x" * 3_000_000), msgpack.packb({"type": "hub.bundle", "from": ""})[:-2],
    ]  # fmt: skip
    found += [dice.randbytes(dice.randrange(1, 200)) for _ in range(200)]
    found += [msgpack.packb(one) for one in bad_bundles() if not _too_big(one)]
    messages = [one for one in bad_messages(room) if not _too_big(one)]
    messages += [
        {"type": "room.changes", "room": room, "changes": [change(state)]} for state in states()
    ]
    # of the right shape, and never committed: a hole that no read of the database fills
    messages += [{"type": "room.changes", "room": room, "changes": [change()]}]
    messages += [{"type": "from.a.newer.version", "room": room}]
    found += [_bundle([one]) for one in messages]
    found += [_bundle(messages[n : n + 50]) for n in range(0, len(messages), 50)]
    dice.shuffle(found)
    return found


def _bundle(messages: list[Any]) -> bytes:
    bundle = {"type": "hub.bundle", "from": "", "messages": messages}
    return bytes(msgpack.packb(bundle))


def _too_big(value: Any) -> bool:
    try:
        msgpack.packb(value)
    except (OverflowError, TypeError, ValueError):
        return True
    return False
