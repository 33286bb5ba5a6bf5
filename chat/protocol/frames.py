"""Frames for clients, encoded. No I/O."""

from collections.abc import Sequence
from typing import Any

import msgspec

from chat.models import Room
from chat.protocol.changes import Id, Person, Word, encode
from chat.protocol.errors import Refused


class RoomFields(msgspec.Struct, omit_defaults=True):
    """A room as clients see it. The order of the fields is the order on the wire."""

    id: Id
    slug: Word
    title: Word
    topic: Word
    kind: Word
    archived: bool = False

    @classmethod
    def of(cls, room: Room) -> "RoomFields":
        return cls(room.pk, room.slug, room.name, room.topic, room.kind, room.is_archived)


def history(
    *,
    room: bytes,
    you: bytes,
    states: Sequence[bytes],
    head: int,
    more: bool,
    mode: str,
    ref: str | int | None = None,
) -> bytes:
    """A `chat.history` frame; `room`, `you` and `states` are encoded already."""
    return b"".join(
        (
            b'{"type":"chat.history","room":',
            room,
            b',"you":',
            you,
            b',"messages":[',
            b",".join(states),
            b'],"head":%d,"more":%s,"mode":"%s"'
            % (head, b"true" if more else b"false", mode.encode()),
            b"" if ref is None else b',"ref":' + encode(ref),
            b"}",
        )
    )


def error(refused: Refused, *, ref: str | int | None = None, client_id: Any | None = None) -> bytes:
    fields: dict[str, Any] = {"type": "error", "code": refused.code, "detail": refused.detail}
    if ref is not None:
        fields["ref"] = ref
    if client_id is not None:
        fields["client_id"] = client_id
    if refused.retry_after is not None:
        fields["retry_after"] = refused.retry_after
    return encode(fields)


def presence_state(
    users: Sequence[Person],
    online: int,
    version: int,
    *,
    more: bool = False,
    ref: str | int | None = None,
) -> bytes:
    """`more`: these are not all; in a crowd only the first are named."""
    fields: dict[str, Any] = {"type": "presence.state", "users": users, "online": online}
    fields["version"] = version
    if more:
        fields["more"] = True
    return encode(fields if ref is None else fields | {"ref": ref})


def presence_count(
    online: int, version: int, joined: Sequence[Person], left: Sequence[Person]
) -> bytes:
    """How many are in a crowd, and who came to or went from those that are named."""
    fields: dict[str, Any] = {"type": "presence.count", "online": online, "version": version}
    if joined:
        fields["joined"] = joined
    if left:
        fields["left"] = left
    return encode(fields)


def presence_change(kind: str, user: Person, online: int, version: int) -> bytes:
    """`kind` is "joined" or "left"."""
    return encode({"type": f"presence.{kind}", "user": user, "online": online, "version": version})


def typing(user: Person) -> bytes:
    return encode({"type": "chat.typing", "user": user})


def read(pos: int, ref: str | int | None = None) -> bytes:
    return encode({"type": "chat.read", "pos": pos} | ({} if ref is None else {"ref": ref}))


def pong(ref: str | int | None) -> bytes:
    return encode({"type": "pong"} | ({} if ref is None else {"ref": ref}))


def updated(room: bytes) -> bytes:
    """`room` is encoded already."""
    return b'{"type":"room.updated","room":' + room + b"}"


def closed(detail: str) -> bytes:
    return encode({"type": "room.closed", "detail": detail})
