"""Slack's markup as text that people read: names for ids, no brackets, no entities."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from unicodedata import category

from chat.slack.emoji import with_emoji

# Slack writes a bracket that somebody typed as an entity; other tools leave some as they are.
_MARKUP = re.compile(
    r"<([@#!][^<>]+|[a-z][a-z0-9+.-]*:[^\s<>][^<>]*)>|&(lt|gt|amp);", re.IGNORECASE
)
_ENTITY = re.compile(r"&(lt|gt|amp);")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&"}
# Code and addresses: no emoji is meant there.
_VERBATIM = re.compile(r"(```.*?```|`[^`\n]*`|https?://[^\s)]+)", re.DOTALL)
# What would be read as more of an address: letters, signs, an emoji by its name.
_GOES_ON = re.compile(r"[\w/#%&+=@~$-]|:[\w+-]+:")


@dataclass(frozen=True)
class Names:
    """What ids in the markup stand for; `rooms` are the open ones.

    `private` are rooms whose names must not come to light in other rooms: who may not read a
    room cannot tell that it exists.
    """

    users: Mapping[str, str]
    rooms: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()

    def readable(self, text: str, *, at: str = "@") -> str:
        """`at` stands before a person's name; a notice ("Ann joined") does without."""
        text = _MARKUP.sub(lambda m: self._replaced(m, at), text)
        pieces = _VERBATIM.split(text)
        pieces[::2] = [with_emoji(piece) for piece in pieces[::2]]
        return "".join(pieces)

    def user(self, user_id: str, label: str = "") -> str:
        return self.users.get(user_id) or label or f"unknown {user_id}"

    def room(self, room_id: str, label: str = "") -> str:
        if room_id in self.private:
            return "private-channel"
        return self.rooms.get(room_id) or label or "private-channel"

    def _replaced(self, match: re.Match[str], at: str) -> str:
        if match[2] is not None:
            return _entity(match)
        shown = self._token(match[1], at)
        return shown if match[1][0] in "@#!" else apart(shown, match.string[match.end() :])

    def _token(self, token: str, at: str) -> str:
        target, _, label = token.partition("|")
        label = _unescape(label)
        match target[:1]:
            case "@":
                return at + self.user(target[1:], label.removeprefix("@"))
            case "#":
                return "#" + self.room(target[1:], label.removeprefix("#"))
            case "!":
                return _command(target[1:], label)
        return link(_unescape(target), label)


def _command(command: str, label: str) -> str:
    """`!here`, `!subteam^S1|@ops`, `!date^1517531326^{date}|the 2nd`."""
    word = command.split("^", 1)[0]
    return label or {"date": "a date", "subteam": "@group"}.get(word, f"@{word}")


def link(url: str, label: str) -> str:
    """ "label (url)", or one of them where they say the same."""
    shown = url.removeprefix("mailto:")
    if not label or not shown or label == shown:
        return shown or label
    if label in (url, re.sub("^https?://", "", url)):  # the author typed "example.com"
        return label
    return f"{label} ({shown})"


def apart(address: str, follows: str) -> str:
    """The address with a space where what follows would be read as more of it."""
    goes_on = _GOES_ON.match(follows) or category(follows[:1] or " ") == "So"
    return f"{address} " if goes_on else address


def _entity(match: re.Match[str]) -> str:
    return _ENTITIES[match[match.lastindex or 0]]


def _unescape(text: str) -> str:
    return _ENTITY.sub(_entity, text)
