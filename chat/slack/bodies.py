"""The text of a message: what a reader of Slack saw, as far as an export has it.

Slack keeps it in several places: `blocks` over `text`, which is then a stand-in for programs that
know no blocks; files; what hangs below it (`attachments`); and of old a comment on a file.
"""

import re
from collections import Counter
from typing import NamedTuple

from chat.models import Message
from chat.models.message import BODY_MAX
from chat.slack.attachments import attachment_lines
from chat.slack.blocks import blocks_text
from chat.slack.entries import Entry, What
from chat.slack.filelinks import file_lines
from chat.slack.markup import Names
from chat.slack.tally import LeftOut
from chat.slack.values import clean, text_of

# An entry of nothing but an attachment, where the export has none of it. The message keeps its
# place and its author, and replies to it keep what they answer.
EMPTY = "(no text)"
CUT = " […]"
# Slack's page made these words up from what the entry is.
_UNSAID = {"huddle_thread": "started a huddle", "sh_room_created": "started a call"}


class Body(NamedTuple):
    text: str
    remarks: list[str]  # what had to be done to it, for the report
    left: LeftOut  # what is in the entry and not in the text


def body_of(entry: Entry, names: Names, room_id: str) -> Body:
    """`room_id`: Slack's id of the room that the entry is in."""
    left: LeftOut = Counter()
    if entry.what is What.DELETED:
        return Body("", [], left)
    remarks = []
    raw = entry.raw.get("text")
    source = clean(raw) if isinstance(raw, str) else ""
    if source != (raw or ""):
        remarks.append("had characters that cannot be stored; they became \ufffd")
    parts = [_said(entry, source, names, left), *file_lines(entry.raw, source, names, left)]
    parts += attachment_lines(
        entry.raw, names, left, room_id=room_id, has_text=any(part.strip() for part in parts)
    )
    text = "\n".join(part for part in parts if part.strip())
    if not text:
        text = _UNSAID.get(entry.subtype, "")
    if not text:
        remarks.append(f'has no text; it became "{EMPTY}"')
        return Body(EMPTY, remarks, left)
    if len(text) > BODY_MAX:
        remarks.append(f"was longer than {BODY_MAX:,} characters; the rest was cut off")
        text = text[: BODY_MAX - len(CUT)] + CUT
    return Body(text, remarks, left)


def _said(entry: Entry, source: str, names: Names, left: LeftOut) -> str:
    """What stands in the message itself."""
    is_notice = entry.kind is Message.Kind.NOTICE
    own_words = is_notice and source.strip()
    if not own_words and (text := blocks_text(entry.raw.get("blocks"), names, left)):
        return text
    if is_notice or entry.what in (What.FILE, What.COMMENT):
        source = _without_author(source, entry.author.key)
    text = names.readable(source, at="" if is_notice else "@")
    if entry.what is What.COMMENT and not text.strip():
        return names.readable(text_of(entry.raw, "comment", "comment"))
    return text


def _without_author(text: str, author: str) -> str:
    """For "<@U1> has joined the channel": the page puts the name there, as it is by then."""
    return re.sub(rf"^<@{re.escape(author)}(\|[^<>]*)?> ", "", text)
