"""What happened, as encoded frames. No I/O: rows and commands in, bytes out.

A message's state is encoded once, however many people get it; a live frame is that state with a
`type` put in front.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from chat.errors import Refused

encode = msgspec.json.Encoder().encode

POSTED, EDITED, DELETED, REACTED = "chat.message", "chat.edited", "chat.deleted", "chat.reaction"


class Person(msgspec.Struct, frozen=True):
    id: int
    name: str


class MessageState(msgspec.Struct, omit_defaults=True):
    """A message as clients see it. The order of the fields is the order on the wire."""

    id: int
    seq: int
    pos: int
    client_id: UUID
    user: Person
    message: str
    created: datetime
    kind: str | None = None  # none for a plain text
    reply_to: int | None = None
    edited: datetime | None = None
    deleted: datetime | None = None
    reactions: dict[str, list[int]] = {}


class Change(NamedTuple):
    """One place in a room's log: what happened to which message, and its encoded new state."""

    kind: str
    pos: int
    id: int
    seq: int
    state: bytes

    @property
    def is_deleted(self) -> bool:
        # Within a text the quotes would be escaped, and under such an emoji there is a list.
        return b'"deleted":"' in self.state

    @property
    def frame(self) -> bytes:
        return _typed(self.kind, self.state)

    def answering(self, ref: str | int) -> bytes:
        """The frame for the connection whose command, sent with `ref`, brought this about."""
        return self.frame[:-1] + b',"ref":' + encode(ref) + b"}"


class Repeated(NamedTuple):
    """Nothing changed, because it had been done already: the message as it is."""

    change: Change


def change_of(kind: str, state: MessageState) -> Change:
    if state.deleted:  # nobody is to be seen agreeing with what is gone
        state.reactions = {}
    return Change(kind, state.pos, state.id, state.seq, encode(state))


def reactions_of(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Emoji and user id, in the order they were given, as emoji → user ids."""
    reactions: dict[str, list[int]] = {}
    for emoji, user in pairs:
        reactions.setdefault(emoji, []).append(user)
    return reactions


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


def _typed(kind: str, state: bytes) -> bytes:
    return b'{"type":"%s",' % kind.encode() + state[1:]
