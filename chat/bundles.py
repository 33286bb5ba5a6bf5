"""What processes send each other through Redis, and how it is read.

A bundle is what one process says to a group at once: messages, each a dict with a `type`. Whatever
else comes is Garbage. It is passed by alone, and changes nothing of what comes beside it.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from django.conf import settings
from msgspec import Meta

from chat.events import Change, MessageState, encode
from core.layers import Garbage

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]  # of a row, or a place in a room's log
Count = Annotated[int, Meta(ge=0, le=2**53)]  # exact in JavaScript
Name = Annotated[str, Meta(max_length=150)]  # of a person; Django's bound for a username
Word = Annotated[str, Meta(max_length=1_000)]
Process = Annotated[str, Meta(max_length=32)]  # empty: a page or a command
Person = Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")]  # presence's users are strings
Kind = Literal["chat.message", "chat.edited", "chat.deleted", "chat.reaction"]

T = TypeVar("T")

_state = msgspec.json.Decoder(MessageState)


class Bundle(msgspec.Struct):
    type: str
    sender: Process = msgspec.field(name="from")
    messages: list[Any]


class Message(msgspec.Struct):
    """Its `type`. What we do not know may be a newer version's, as during a deploy."""

    type: str


class Pulse(msgspec.Struct):
    process: Annotated[Process, Meta(min_length=1)]


class Changes(msgspec.Struct):
    room: Id
    changes: list[tuple[Kind, Id, Id, Id, bytes]]


class Presence(msgspec.Struct):
    room: Id
    changes: list[tuple[Literal["joined", "left"], Person, Count, Count, Name]]


class Read(msgspec.Struct):
    room: Id
    user: Id
    pos: Count


class Typing(msgspec.Struct):
    room: Id
    user: tuple[Id, Name]


class Changed(msgspec.Struct):
    user: Id
    invisible: bool = False


class Renamed(msgspec.Struct):
    user: Id
    name: Name


class End(msgspec.Struct):
    user: Id
    code: Literal[1000, 4401, 4403, 4409]  # on another one Daphne might leave the socket open
    detail: Word
    connection: Word | None = None
    session: Word | None = None
    room: Id | None = None


class RoomFields(msgspec.Struct):
    id: Id
    slug: Word
    title: Word
    topic: Word
    kind: Word
    archived: bool = False


class Update(msgspec.Struct):
    fields: RoomFields


SHAPES: dict[str, type[msgspec.Struct]] = {
    "hub.pulse": Pulse,
    "room.changes": Changes,
    "room.presence": Presence,
    "room.update": Update,
    "user.read": Read,
    "user.typing": Typing,
    "user.changed": Changed,
    "user.renamed": Renamed,
    "connection.end": End,
}


def opened(bundle: Any) -> Bundle:
    """What came from the channel layer. Raises Garbage."""
    return _converted(bundle, Bundle)


def checked(message: Any) -> dict[str, Any] | None:
    """One of a bundle's messages, as it is handled; None: of a type that is unknown here. Raises
    Garbage."""
    shape = SHAPES.get(_converted(message, Message).type)
    if shape is None:
        return None
    found = _converted(message, shape)
    if isinstance(found, Changes):
        changes = [_checked(*change) for change in found.changes]
        return {"type": "room.changes", "room": found.room, "changes": changes}
    fields: dict[str, Any] = message
    return fields


def _checked(kind: str, pos: int, pk: int, seq: int, encoded: bytes) -> Change:
    """With the state encoded once more: clients are sent these bytes, and must get one object on
    one line, of these fields."""
    if len(encoded) > settings.CHAT_FRAME_OUT_MAX:
        raise Garbage("a state that fits no frame")
    try:
        state = _state.decode(encoded)
    except Exception as error:  # it may be nested deeper than Python goes
        raise Garbage(f"the state of a change: {error}") from None
    if state.pos != pos or state.id != pk or state.seq != seq:
        raise Garbage("a change whose state is another's")
    return Change(kind, pos, pk, seq, encode(state))


def _converted(value: Any, shape: type[T]) -> T:
    try:
        return msgspec.convert(value, shape)
    except Exception as error:
        raise Garbage(f"{shape.__name__}: {error}") from None
