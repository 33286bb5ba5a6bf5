"""Frames for a client that knows no protocol, as the page of the Channels tutorial.

Such a client appends the `message` of whatever comes. So each frame gets a `message` that reads as
a line, or is not sent. A text that was posted has one already, and its frame stays the same bytes.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from chat.protocol.changes import POSTED, encode

Fields = dict[str, Any]

DOINGS = {"action", "notice"}  # kinds of messages whose text is what their author did
NAMED = 10  # people of a line; the others are counted
_POSTED = b'{"type":"%s",' % POSTED.encode()
# A post whose line is not its text: "/me", a notice, one that is deleted. Within a text the quotes
# would be escaped, and under an emoji of such a name there is a list.
_MARKS = (b'"kind":"', b'"deleted":"')


def plain(frame: bytes) -> bytes | None:
    """`frame` with a `message` that can be shown; None where there is nothing to show."""
    if frame.startswith(_POSTED) and not any(mark in frame for mark in _MARKS):
        return frame
    fields: Fields = msgspec.json.decode(frame)
    kind = fields["type"]
    if kind not in LINES or (kind in ONLY_ANSWERS and "ref" not in fields):
        return None
    return encode(fields | {"message": LINES[kind](fields)})


def _posted(fields: Fields) -> str:
    if "deleted" in fields:
        return _deleted(fields)
    if fields.get("kind") in DOINGS:
        return f"{fields['user']['name']} {fields['message']}"
    return str(fields["message"])


def _deleted(fields: Fields) -> str:
    # By whom is not said: a moderator may have been it.
    return f"A message from {fields['user']['name']} was deleted"


def _reactions(fields: Fields) -> str:
    counts = ", ".join(f"{emoji} {len(ids)}" for emoji, ids in fields.get("reactions", {}).items())
    return f"Reactions to {fields['user']['name']}: {counts or 'none'}"


def _here(fields: Fields) -> str:
    names = [user["name"] for user in fields["users"][:NAMED]]
    if others := fields["online"] - len(names):
        names.append(f"{others:,} more")
    return f"Here now: {', '.join(names) or 'nobody'}"


def _room(fields: Fields) -> str:
    room = fields["room"]
    topic = f": {room['topic']}" if room["topic"] else ""
    archived = " (it takes no more messages)" if room.get("archived") else ""
    return f"The room is “{room['title']}”{topic}{archived}"


LINES: dict[str, Callable[[Fields], str]] = {
    "chat.message": _posted,
    "chat.edited": lambda fields: f"{fields['user']['name']} edited: {fields['message']}",
    "chat.deleted": _deleted,
    "chat.reaction": _reactions,
    "chat.history": lambda fields: f"Messages: {len(fields['messages'])}",  # that were asked for
    "chat.read": lambda fields: f"Read up to {fields['seq']}",
    "presence.state": _here,
    "presence.joined": lambda fields: f"{fields['user']['name']} has joined",
    "presence.left": lambda fields: f"{fields['user']['name']} has left",
    "room.updated": _room,
    "room.closed": lambda fields: str(fields["detail"]),
    "error": lambda fields: str(fields["detail"]),
    "pong": lambda fields: "pong",
}
# Too much to be read as lines, or nothing to read; who asks with a `ref` is answered.
ONLY_ANSWERS = {"chat.reaction", "chat.read"}
UNSENT = {"chat.typing", "presence.count"}
