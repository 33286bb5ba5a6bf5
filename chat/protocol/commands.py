"""Untrusted frame → typed command. No database here: a frame is judged by itself alone."""

import json
import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from django.conf import settings

from chat.models.reaction import EMOJI_MAX
from chat.protocol.errors import Refused
from core.visible import can_be_seen

Ref = Annotated[str, msgspec.Meta(max_length=64)] | int | None
# A row's or a place's, of which none is 0; to ask for that is no mistake. A larger one than
# PostgreSQL's bigint would be an error in the database, not an empty answer.
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Reason = Annotated[str, msgspec.Meta(max_length=500)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]

_SURROGATE = re.compile("[\ud800-\udfff]")

# A frame over the limit is still read for its `ref`, so that its error can name it, up to so many
# times the limit: the longest message, with each character escaped, makes three times of it.
NAMED_WITHIN = 4


class Command(msgspec.Struct, kw_only=True):
    ref: Ref = None


class Post(Command):
    message: str
    # The idempotency key. A client that gives none gets one, so that our own retries are safe.
    client_id: UUID = msgspec.field(default_factory=uuid4)
    reply_to: Number | None = None


class Edit(Command):
    id: Number
    message: str
    # Which text it was made from: the message's `edited`, None where it had not been edited. An
    # edit that does not say so is put over whatever is there.
    based_on: Time | msgspec.UnsetType | None = msgspec.UNSET


class Delete(Command):
    id: Number
    reason: Reason = ""


class Remove(Command):
    """A deletion for the whole site. No frame says this: the admin does, and asks who may."""

    id: Number
    reason: Reason = ""


class React(Command):
    id: Number
    emoji: Annotated[str, msgspec.Meta(min_length=1, max_length=EMOJI_MAX)]
    on: bool = True


class Read(Command):
    seq: Number


class Typing(Command):
    pass


class History(Command):
    before: Number | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None


class PresenceGet(Command):
    pass


class Ping(Command):
    pass


TYPES: dict[str, type[Command]] = {
    "chat.message": Post,
    "chat.edit": Edit,
    "chat.delete": Delete,
    "chat.react": React,
    "chat.read": Read,
    "chat.typing": Typing,
    "chat.history": History,
    "presence.get": PresenceGet,
    "ping": Ping,
}


class Undecodable(Refused):
    """A frame that is no command. Carries what could be read of `ref` and `client_id`."""

    def __init__(self, code: str, detail: str, frame: Any = None) -> None:
        super().__init__(code, detail)
        fields = frame if isinstance(frame, dict) else {}
        self.ref = _echo(fields.get("ref"))
        self.client_id = _echo(fields.get("client_id"))


class _Reference(msgspec.Struct):
    """What names a command. The other fields are passed over, and nothing is made of them."""

    ref: Any = None
    client_id: Any = None


def _reference(text: str) -> Any:
    """A dict with what names the command, if there is one in a text that is no good frame."""
    try:
        return msgspec.structs.asdict(msgspec.json.decode(text, type=_Reference))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return json.loads(text)  # takes lone surrogates: who sent one waits for an answer, too
    except (ValueError, RecursionError):
        return None


def decode(text: str | None) -> Command:
    """The command in one text frame (None: the frame was binary). Raises Undecodable."""
    if text is None:
        raise Undecodable("bad_json", "Send text frames; this one was binary.")
    size, most = len(text.encode("utf-8", "surrogatepass")), settings.CHAT_FRAME_IN_MAX
    if size > most:
        named = _reference(text) if size <= NAMED_WITHIN * most else None
        raise Undecodable(
            "too_long", f"This is too large to send. The limit is {most:,} bytes.", named
        )
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        detail = "The frame is not valid JSON, or its text is not valid Unicode (a lone surrogate)."
        raise Undecodable("bad_json", detail, _reference(text)) from None
    if not isinstance(frame, dict):
        raise Undecodable("bad_json", "The frame is not a JSON object.")
    command = _typed(frame)
    if isinstance(command, (Post, Edit)):
        _check_text(command.message, frame)
    return command


def _typed(frame: dict[str, Any]) -> Command:
    name = frame.pop("type", "chat.message")
    kind = TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        known = ", ".join(TYPES)
        raise Undecodable("bad_command", f"Unknown type. The types are: {known}.", frame)
    if frame.get("client_id", "") is None:  # JavaScript's way of saying "none"
        del frame["client_id"]
    if kind is Read and "pos" in frame:
        # A page from before a deploy says how far it has read in another measure. That is no error,
        # and changes nothing: nobody has read less than nothing. To go with the next release.
        frame.setdefault("seq", 0)
    try:
        command = msgspec.convert(frame, kind)
    except msgspec.ValidationError as error:
        raise Undecodable("bad_command", f"{name}: {error}.", frame) from None
    if any("\0" in value for value in frame.values() if isinstance(value, str)):
        # PostgreSQL stores no NUL: one would fail the whole batch it is written in.
        raise Undecodable("bad_command", f"{name}: text must not contain NUL.", frame)
    return command


def _check_text(text: str, frame: dict[str, Any]) -> None:
    if not can_be_seen(text):
        raise Undecodable("empty", "The message is empty.", frame)
    if len(text) > settings.CHAT_MESSAGE_MAX:
        limit = settings.CHAT_MESSAGE_MAX
        detail = f"A message can have at most {limit:,} characters; this one has {len(text):,}."
        raise Undecodable("too_long", detail, frame)


def _echo(value: Any) -> str | int | None:
    """What of a bad frame's reference is safe to send back."""
    if isinstance(value, str):
        return None if _SURROGATE.search(value) else value[:64]
    return value if isinstance(value, int) and not isinstance(value, bool) else None
