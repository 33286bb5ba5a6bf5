"""One entry of a day file: what it is, who wrote it, when. Nothing here touches the database."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from chat.models import Message
from chat.slack.values import is_id, is_ts, micros_of, name_of, objects_of, text_of, time_of, word

# Any fixed UUID will do, so long as it never changes: the same entry gets the same client_id.
NAMESPACE = uuid.UUID("8f0d3f0e-2b55-5c0a-9d0e-5a1ac6e6a3f1")


class What(Enum):
    """What became of an entry; each entry is one of these, or skipped, or already there."""

    MESSAGE = "messages"
    REPLY = "replies in threads"
    FILE = "file shares, as links"
    COMMENT = "comments on files"
    BOT = "bot posts"
    ACTION = "/me, as actions"
    JOIN = "joins, as notices"
    LEAVE = "leaves, as notices"
    TOPIC = "topics and purposes, as notices"
    NOTICE = "other notices"
    DELETED = "deleted ones, kept as deleted"


_SUBTYPES_OF = {
    What.BOT: "bot_message slackbot_response",
    What.ACTION: "me_message",
    What.FILE: "file_share file_mention",
    What.COMMENT: "file_comment",
    What.DELETED: "tombstone",
    What.MESSAGE: "thread_broadcast reply_broadcast",
    What.JOIN: "channel_join group_join",
    What.LEAVE: "channel_leave group_leave",
    What.TOPIC: "channel_topic channel_purpose group_topic group_purpose",
    What.NOTICE: """
        channel_name channel_archive channel_unarchive group_name group_archive group_unarchive
        channel_convert_to_private channel_posting_permissions pinned_item unpinned_item
        bot_add bot_remove bot_enable bot_disable reminder_add joiner_notification
        app_conversation_join app_conversation_leave channel_canvas_updated document_mention
        huddle_thread sh_room_created sh_room_shared
    """,
}
_SUBTYPES = {name: what for what, names in _SUBTYPES_OF.items() for name in names.split()}
_KINDS = {
    What.BOT: Message.Kind.BOT,
    What.ACTION: Message.Kind.ACTION,
    What.JOIN: Message.Kind.NOTICE,
    What.LEAVE: Message.Kind.NOTICE,
    What.TOPIC: Message.Kind.NOTICE,
    What.NOTICE: Message.Kind.NOTICE,
}


_PROFILE_NAMES = ("display_name", "real_name", "name", "first_name")
# In any of these there is something that Slack showed.
_CONTENT = ("blocks", "attachments", "files", "file", "comment")


class Skipped(Exception):
    """This entry becomes no message, as is right; its text says why."""


class Lost(Skipped):
    """This entry should have become a message and cannot."""


class Author(NamedTuple):
    """`key` is Slack's id of a person, or of a bot with the name it posted under."""

    key: str
    name: str = ""  # of a bot
    is_bot: bool = False


@dataclass(frozen=True)
class Entry:
    where: str
    ts: str
    what: What
    author: Author
    raw: dict[str, Any]
    thread: str | None  # the ts of the message it answers
    edited_at: datetime | None
    odd_subtype: str

    @property
    def subtype(self) -> str:
        return text_of(self.raw, "subtype")

    @property
    def micros(self) -> int:
        """Microseconds since 1970."""
        return micros_of(self.ts)

    @property
    def created_at(self) -> datetime:
        return time_of(self.micros)

    @property
    def kind(self) -> Message.Kind:
        return _KINDS.get(self.what, Message.Kind.TEXT)

    @property
    def reactions(self) -> list[tuple[str, list[str]]]:
        """Name of the emoji, ids of the people."""
        return [
            (text_of(reaction, "name"), [user for user in users if is_id(user)])
            for reaction in objects_of(self.raw, "reactions")
            if isinstance(users := reaction.get("users"), list)
        ]


def read_entry(raw: object, file: str, number: int) -> Entry:
    """The `number`th entry of `file`, or Skipped with its place and why."""
    if not isinstance(raw, dict):
        raise Lost("is no object")
    ts = raw.get("ts")
    if not is_ts(ts):
        raise Lost("has no time that can be read")
    if raw.get("type", "message") != "message":
        raise Lost(f"is no message but of type {word(raw.get('type'))}")
    subtype = raw.get("subtype")
    is_known = subtype is None or (isinstance(subtype, str) and subtype in _SUBTYPES)
    what = _what(raw, subtype)
    thread = raw.get("thread_ts")
    edited = raw.get("edited")
    edited_ts = edited.get("ts") if isinstance(edited, dict) else None
    return Entry(
        where=place(raw, file, number),
        ts=ts,
        what=what,
        author=_author(raw, what),
        raw=raw,
        thread=thread if is_ts(thread) and thread != ts else None,
        edited_at=time_of(micros_of(edited_ts)) if is_ts(edited_ts) else None,
        odd_subtype="" if is_known else word(subtype),
    )


def place(raw: object, file: str, number: int) -> str:
    """`clojure/2018-02-01.json: entry 1517531326.000202`, or its number where it has no ts."""
    ts = raw.get("ts") if isinstance(raw, dict) else None
    return f"{file}: entry {ts if is_ts(ts) else f'no. {number}'}"


def client_id(room_id: str, ts: str) -> uuid.UUID:
    """The same for the same entry in every export, so that it comes in once."""
    return uuid.uuid5(NAMESPACE, f"{room_id}:{ts}")


def profile_name(raw: dict[str, Any]) -> str:
    """What who wrote an entry is called, where it says: somebody of another organization, who is
    not in users.json, has their profile in what they wrote in a shared channel."""
    return name_of(*(text_of(raw, "user_profile", key) for key in _PROFILE_NAMES))


def _what(raw: dict[str, Any], subtype: object) -> What:
    if subtype in ("message_changed", "message_deleted", "message_replied"):
        raise Skipped("is a log line about another message")
    if isinstance(subtype, str) and subtype in _SUBTYPES:
        what = _SUBTYPES[subtype]
    elif subtype is not None:
        # Whatever it is, Slack showed its text; lose nothing.
        if not text_of(raw, "text") and not any(raw.get(key) for key in _CONTENT):
            raise Lost(f"is of the unknown subtype {word(subtype)} and has no text")
        what = What.NOTICE
    else:
        is_bot = raw.get("bot_id") or (not is_id(raw.get("user")) and text_of(raw, "username"))
        what = What.BOT if is_bot else What.MESSAGE
    if what is What.MESSAGE and raw.get("files"):
        return What.FILE  # newer exports have no subtype for it
    return what


def _author(raw: dict[str, Any], what: What) -> Author:
    user = raw.get("user")
    if not is_id(user) and isinstance(comment := raw.get("comment"), dict):
        user = comment.get("user")  # a comment on a file, of old
    # A hook may post under many names; each was a voice of its own to those who read it.
    if (what is What.BOT and text_of(raw, "username")) or not is_id(user):
        return _voice(raw)
    return Author(user)


def _voice(raw: dict[str, Any]) -> Author:
    """A bot or a hook: by its id and the name that it posted under, of which it may lack one."""
    name = text_of(raw, "username") or text_of(raw, "bot_profile", "name")
    bot_id = raw.get("bot_id") if is_id(raw.get("bot_id")) else ""
    if not bot_id and not name:
        raise Lost("does not say who wrote it")
    key = f"{bot_id}/{name}"[:120]
    return Author(key, name_of(name) or f"bot {bot_id}".strip(), is_bot=True)
