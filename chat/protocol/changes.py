"""What happened, as encoded frames. No I/O: rows and commands in, bytes out.

A message's state is encoded once, however many people get it; a live frame is that state with a
`type` put in front.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

from core.emoji import spelled

encode = msgspec.json.Encoder().encode

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]  # of a row, or a place in a room's log
Word = Annotated[str, Meta(max_length=1_000)]
Kind = Literal["chat.message", "chat.edited", "chat.deleted", "chat.reaction"]

POSTED: Final = "chat.message"
EDITED: Final = "chat.edited"
DELETED: Final = "chat.deleted"
REACTED: Final = "chat.reaction"


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody as clients see them.

    `username` is left out where it is the name. `looks` are those of the name: two people who share
    one are shown with their usernames; left out where it is the name in small letters. `mark` says
    what no name may say.
    """

    id: int
    name: str
    username: str | None = None
    looks: tuple[str, ...] = ()
    mark: str | None = None  # "staff" or "guest"


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

    def __post_init__(self) -> None:
        if self.kind == "text":
            self.kind = None


class Change(NamedTuple):
    """One place in a room's log: what happened to which message, and its encoded new state."""

    kind: Kind
    pos: Id
    id: Id
    seq: Id
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


def change_of(kind: Kind, state: MessageState) -> Change:
    if state.deleted:  # nobody is to be seen agreeing with what is gone
        state.reactions = {}
    return Change(kind, state.pos, state.id, state.seq, encode(state))


def reactions_of(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Emoji and user id, in the order they were given, as emoji → user ids. Spellings of one emoji,
    as ❤ and ❤️, are one; some were stored before they were."""
    reactions: dict[str, list[int]] = {}
    for emoji, user in pairs:
        users = reactions.setdefault(spelled(emoji), [])
        if user not in users:
            users.append(user)
    return reactions


def _typed(kind: str, state: bytes) -> bytes:
    return b'{"type":"%s",' % kind.encode() + state[1:]
