"""What processes tell each other, through Redis.

Each message is a struct below. A bundle is what one process says to a group at once. Old and new
versions run side by side during a deploy, so unknown types and fields are passed by. Whatever else
cannot be read is Garbage (as is a message with a value that this version does not know), and
changes nothing of what comes beside it.

Pages, the admin and signals use `tell_processes` and `announce`; a process its mailbox.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from msgspec import Meta
from redis.exceptions import RedisError

from chat.protocol.changes import Change, Id, MessageState, Person, Word, encode
from chat.protocol.errors import Close, Revocation
from chat.protocol.frames import RoomFields
from chat.protocol.persons import person_of
from core.models import User
from core.redis import installation
from core.redis.layers import CHAT, Garbage
from core.trouble import Trouble
from presence.store import Movement

logger = logging.getLogger(__name__)

HUBS = "hubs"  # the group of all processes
LAYER_TIMEOUT = 3.0  # seconds for one call to the channel layer

Count = Annotated[int, Meta(ge=0, le=2**53)]  # exact in JavaScript
Name = Annotated[str, Meta(max_length=150)]  # of a person; Django's bound for a username
ProcessId = Annotated[str, Meta(max_length=32)]  # empty: a page or a command
UserId = Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")]  # presence's users are strings

# The codes with which a process closes connections because another one said so.
CLOSE_CODES = {Close.DISCONNECTED, *(revocation.code for revocation in Revocation)}

T = TypeVar("T")

_state = msgspec.json.Decoder(MessageState)
_telling = Trouble(logger, "The server processes could not be told")


class Message(msgspec.Struct, tag_field="type", omit_defaults=True):
    """One of these. Its `type` says which."""


class Pulse(Message, tag="hub.pulse"):
    """A process is there. It hears its own, too."""

    process: Annotated[ProcessId, Meta(min_length=1)]


class Changes(Message, tag="room.changes"):
    """A room's log has gone on: what was committed."""

    room: Id
    changes: list[Change]


class Moved(NamedTuple):
    """Somebody came to a room or left it: a presence.store.Movement, and their name. The order of
    the fields is that on the wire."""

    kind: Literal["joined", "left"]
    user: UserId
    version: Count
    online: Count
    name: Name

    @classmethod
    def of(cls, movement: Movement, name: str) -> "Moved":
        kind: Literal["joined", "left"] = "joined" if movement.kind == "joined" else "left"
        return cls(kind, movement.user, movement.version, movement.online, name)

    @property
    def movement(self) -> Movement:
        return Movement(self.kind, self.user, self.version, self.online)


class Presence(Message, tag="room.presence"):
    """Who came to a room, and who left it, in order."""

    room: Id
    changes: list[Moved]
    people: list[Person] = []  # the same ones; none from servers of the version before


class RoomUpdated(Message, tag="room.update"):
    """A room's title, topic, address, kind or archive has changed."""

    fields: RoomFields


# Servers of before said "user.read", with a `pos`. Neither understands the other: a tab that is
# with another process learns of it when it comes back.
class ReadUpTo(Message, tag="user.read_up_to"):
    """For the same person's other connections in the room."""

    room: Id
    user: Id
    seq: Count


class Typing(Message, tag="user.typing"):
    """Somebody is writing in a room just now."""

    room: Id
    user: tuple[Id, Name]


class UserChanged(Message, tag="user.changed"):
    """What a person may do, or whether they want to be seen, has changed: ask the database.
    `invisible`: do not show them until it has answered."""

    user: Id
    invisible: bool = False


class UserRenamed(Message, tag="user.renamed"):
    """A person is called by another name, or bears another mark. Servers of the version before know
    `user` and `name` alone."""

    user: Id
    name: Name
    person: Person | None = None

    @classmethod
    def of(cls, user: User) -> "UserRenamed":
        return cls(user.pk, user.name, person_of(user))

    @property
    def who(self) -> Person:
        return self.person or Person(self.user, self.name)


# Its tag stays: servers of the version before hear it during a deploy.
class CloseConnections(Message, tag="connection.end"):
    """Close a person's connections: all, or those of one name, session or room."""

    user: Id
    code: Close
    detail: Word
    connection: Word | None = None
    session: Word | None = None
    room: Id | None = None

    @classmethod
    def of(cls, user: int, revocation: Revocation, **which: Any) -> "CloseConnections":
        return cls(user, revocation.code, revocation.detail, **which)


MESSAGES = {str(kind.__struct_config__.tag): kind for kind in Message.__subclasses__()}


class Bundle(msgspec.Struct):
    type: str
    sender: ProcessId = msgspec.field(name="from")
    messages: list[Any]


class _Typed(msgspec.Struct):
    type: str


# -- telling ---------------------------------------------------------------------------------


def packed(sender: str, messages: Sequence[Message], kind: str = "hub.bundle") -> dict[str, Any]:
    """A bundle, as the channel layer takes it."""
    plain = msgspec.to_builtins(messages, builtin_types=(bytes,))
    return {"type": kind, "from": sender, "messages": plain}


def tell_processes(*messages: Message) -> bool:
    """Tell every process, from code that is no socket; False where Redis is away."""
    try:
        installation.prefix()  # with this thread's connection, not another for the event loop
        async_to_sync(_send)(packed("", messages))
    except (RedisError, OSError) as error:  # and a TimeoutError, which is an OSError
        _telling.met(repr(error))
        return False
    _telling.over()
    return True


def announce(room: int, changes: Sequence[Change]) -> None:
    """Show in every process what was committed past its writer. What is not heard is found soon
    after, by comparing heads."""
    tell_processes(Changes(room, list(changes)))


async def _send(bundle: dict[str, Any]) -> None:
    async with asyncio.timeout(LAYER_TIMEOUT):
        await get_channel_layer(CHAT).group_send(HUBS, bundle)


# -- hearing ---------------------------------------------------------------------------------


def opened(bundle: Any) -> Bundle:
    """What came from the channel layer. Raises Garbage."""
    return _converted(bundle, Bundle)


def understood(message: Any) -> Message | None:
    """One of a bundle's messages; None: of a type that is unknown here. Raises Garbage."""
    kind = MESSAGES.get(_converted(message, _Typed).type)
    if kind is None:
        return None
    found = _converted(message, kind)
    if isinstance(found, CloseConnections) and found.code not in CLOSE_CODES:
        raise Garbage(f"connections to be closed with {found.code}")
    if isinstance(found, Changes):
        found.changes = list(map(_checked, found.changes))
    return found


def _checked(change: Change) -> Change:
    """With the state encoded once more: clients are sent these bytes, and must get one object on
    one line, of these fields."""
    if len(change.state) > settings.CHAT_FRAME_OUT_MAX:
        raise Garbage("a state that fits no frame")
    try:
        state = _state.decode(change.state)
    except Exception as error:  # it may be nested deeper than Python goes
        raise Garbage(f"the state of a change: {error}") from None
    if (state.pos, state.id, state.seq) != (change.pos, change.id, change.seq):
        raise Garbage("a change whose state is another's")
    return change._replace(state=encode(state))


def _converted(value: Any, shape: type[T]) -> T:
    try:
        return msgspec.convert(value, shape)
    except Exception as error:
        raise Garbage(f"{shape.__name__}: {error}") from None
