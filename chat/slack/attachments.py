"""What hangs below a message in Slack: what apps post, messages shared, previews of links."""

import re
from collections.abc import Iterator
from typing import Any

from chat.slack.blocks import blocks_text
from chat.slack.filelinks import file_lines
from chat.slack.markup import Names, link
from chat.slack.tally import LeftOut
from chat.slack.values import objects_of, text_of

_STAND_INS = ("[no preview available]", "This content can't be displayed.")
_ARCHIVED_AT = re.compile(r"/archives/([A-Z0-9]+)")
_FOUND_BY_LINK = ("from_url", "original_url", "app_unfurl_url")


def attachment_lines(
    raw: dict[str, Any], names: Names, left: LeftOut, *, room_id: str, has_text: bool
) -> Iterator[str]:
    """`has_text`: a link is there to see, and what Slack found behind it is left out."""
    for attachment in objects_of(raw, "attachments"):
        if attachment.get("is_share") or attachment.get("is_msg_unfurl"):
            yield _shared(attachment, names, left, room_id)
        elif has_text and any(text_of(attachment, key) for key in _FOUND_BY_LINK):
            left["previews of links"] += 1
        else:
            yield from _posted(attachment, names, left)


def _shared(attachment: dict[str, Any], names: Names, left: LeftOut, room_id: str) -> str:
    """`Ben: the plan is on Tuesday`. What was said in a private room stays in it."""
    if not _may_be_read(_source(attachment), names, room_id):
        left["messages shared from private rooms"] += 1
        return ""
    lines = [_message_blocks(attachment, names, left) or _marked_up(attachment, "text", names)]
    lines += file_lines(attachment, text_of(attachment, "text"), names, left)
    text = "\n".join(filter(None, lines))
    if not text:
        text = "\n".join(filter(None, _posted(attachment | {"author_name": ""}, names, left)))
    known = names.users.get(text_of(attachment, "author_id"))
    author = known or text_of(attachment, "author_name") or text_of(attachment, "author_subname")
    return f"{author}: {text}" if author and text else text


def _source(attachment: dict[str, Any]) -> str:
    """The id of the room that the message is from; empty where nothing says it."""
    address = _ARCHIVED_AT.search(text_of(attachment, "from_url"))
    return text_of(attachment, "channel_id") or (address[1] if address else "")


def _may_be_read(source: str, names: Names, room_id: str) -> bool:
    """An export may know its open rooms only: one that it does not list counts as private."""
    return source in ("", room_id) or source in names.rooms


def _message_blocks(attachment: dict[str, Any], names: Names, left: LeftOut) -> str:
    """The blocks of a shared message: `[{"message": {"blocks": […]}}]`."""
    texts = []
    for one in objects_of(attachment, "message_blocks"):
        message = one.get("message")
        if isinstance(message, dict):
            texts.append(blocks_text(message.get("blocks"), names, left))
    return "\n".join(filter(None, texts))


def _posted(attachment: dict[str, Any], names: Names, left: LeftOut) -> list[str]:
    """From top to bottom as Slack shows it; its `fallback` only where there is nothing else."""
    _count(attachment, left)
    if text := blocks_text(attachment.get("blocks"), names, left):
        return [text]  # the rest stands in for it where blocks are not known
    lines = [
        _marked_up(attachment, "pretext", names),
        _author(attachment),
        _title(attachment, names),
        _marked_up(attachment, "text", names),
        *(_field(field, names) for field in objects_of(attachment, "fields")),
        *file_lines(attachment, text_of(attachment, "text"), names, left),
        _marked_up(attachment, "footer", names),
    ]
    if not any(lines) and text_of(attachment, "fallback") not in _STAND_INS:
        return [_marked_up(attachment, "fallback", names)]
    return lines


def _count(attachment: dict[str, Any], left: LeftOut) -> None:
    left["images"] += sum(bool(text_of(attachment, key)) for key in ("image_url", "thumb_url"))
    for action in objects_of(attachment, "actions"):
        left["menus" if action.get("type") == "select" else "buttons"] += 1


def _author(attachment: dict[str, Any]) -> str:
    names = (text_of(attachment, key) for key in ("author_name", "author_subname"))
    return " ".join(dict.fromkeys(filter(None, names)))


def _title(attachment: dict[str, Any], names: Names) -> str:
    return link(text_of(attachment, "title_link"), _marked_up(attachment, "title", names))


def _field(field: dict[str, Any], names: Names) -> str:
    title, value = (_marked_up(field, key, names) for key in ("title", "value"))
    return f"{title}: {value}" if title and value else title or value


def _marked_up(attachment: dict[str, Any], key: str, names: Names) -> str:
    return names.readable(text_of(attachment, key))
