"""Frames for clients, encoded. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from chat.models import Room
from chat.protocol.changes import Id, Person, Word, encode
from chat.protocol.commands import Ref
from chat.protocol.errors import Refused


class RoomFields(msgspec.Struct, omit_defaults=True):
    """A room as clients see it. The order of the fields is the order on the wire."""

    id: Id
    slug: Word
    title: Word
    topic: Word
    kind: Word
    archived: bool = False
    moderators: tuple[Id, ...] = ()  # ids of people

    @classmethod
    def of(cls, room: Room, moderators: Sequence[int] | None = None) -> "RoomFields":
        """Reads who moderates, unless that is given."""
        of_room = room.moderators() if moderators is None else moderators
        own = room.pk, room.slug, room.name, room.topic, room.kind, room.is_archived
        return cls(*own, tuple(of_room))


def _frame(kind: str, **fields: Any) -> bytes:
    """Without the fields that are None."""
    given = {name: value for name, value in fields.items() if value is not None}
    return encode({"type": kind, **given})


def history(
    room: RoomFields,
    you: Mapping[str, Any],
    states: Sequence[bytes],
    *,
    head: int,
    more: bool,
    mode: str,
    ref: Ref = None,
) -> bytes:
    """A page, or what was missed; `states` are encoded already."""
    log = {"messages": [Raw(state) for state in states], "head": head, "more": more}
    return _frame("chat.history", room=room, you=you, **log, mode=mode, ref=ref)


def error(refused: Refused, *, ref: Ref = None, client_id: Any = None) -> bytes:
    """Why a command was refused; `ref` and `client_id` are those that it was sent with."""
    why = {"code": refused.code, "detail": refused.detail, "retry_after": refused.retry_after}
    return _frame("error", **why, ref=ref, client_id=client_id)


def presence_state(
    users: Sequence[Person], online: int, version: int, *, more: bool = False, ref: Ref = None
) -> bytes:
    """`more`: these are not all; in a crowd only the first are named."""
    return _frame(
        "presence.state", users=users, online=online, version=version, more=more or None, ref=ref
    )


def presence_count(
    online: int, version: int, joined: Sequence[Person], left: Sequence[Person]
) -> bytes:
    """How many are in a crowd, and who came to or went from those that are named."""
    named = {"joined": joined or None, "left": left or None}
    return _frame("presence.count", online=online, version=version, **named)


def presence_change(kind: str, user: Person, online: int, version: int) -> bytes:
    """`kind` is "joined" or "left"."""
    return _frame(f"presence.{kind}", user=user, online=online, version=version)


def typing(user: Person) -> bytes:
    """Only who: all else is known of somebody who is here."""
    return _frame("chat.typing", user={"id": user.id, "name": user.name})


def read(seq: int, ref: Ref = None) -> bytes:
    # `pos`: a page from before a deploy takes it for its position; without one its count would be
    # lost, and it would never tell again. It passes 0 by. Goes with the next release.
    return _frame("chat.read", seq=seq, pos=0, ref=ref)


def pong(ref: Ref) -> bytes:
    return _frame("pong", ref=ref)


def updated(room: RoomFields) -> bytes:
    return _frame("room.updated", room=room)


def closed(detail: str) -> bytes:
    return _frame("room.closed", detail=detail)
