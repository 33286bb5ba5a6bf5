"""The text of a message: what Slack showed, as far as an export has it."""

import re
from urllib.parse import urlsplit

from chat.models.message import BODY_MAX
from chat.slack.entries import Entry, What
from chat.slack.markup import Names
from chat.slack.values import clean, objects_of, text_of

# An entry of nothing but an attachment, where the export has none of it. The message keeps its
# place and its author, and replies to it keep what they answer.
EMPTY = "(no text)"
CUT = " […]"


def body_of(entry: Entry, names: Names) -> tuple[str, list[str]]:
    """The text to store, and what had to be done to it (for the report)."""
    if entry.what is What.DELETED:
        return "", []
    remarks = []
    raw = entry.raw.get("text")
    text = clean(raw) if isinstance(raw, str) else ""
    if text != (raw or ""):
        remarks.append("had characters that cannot be stored; they became \ufffd")
    if entry.what is What.FILE or entry.kind == entry.kind.NOTICE:
        text = _without_author(text, entry.author.key)
    at = "" if entry.kind == entry.kind.NOTICE else "@"
    parts = [names.readable(text, at=at), *_file_lines(entry, text)]
    if entry.what is What.BOT or not any(part.strip() for part in parts):
        parts += _attachment_lines(entry, names)
    body = "\n".join(part for part in parts if part.strip())
    if not body:
        remarks.append(f'has no text; it became "{EMPTY}"')
        return EMPTY, remarks
    if len(body) > BODY_MAX:
        remarks.append(f"was longer than {BODY_MAX:,} characters; the rest was cut off")
        body = body[: BODY_MAX - len(CUT)] + CUT
    return body, remarks


def _without_author(text: str, author: str) -> str:
    """For "<@U1> has joined the channel": the page puts the name there, as it is by then."""
    return re.sub(rf"^<@{re.escape(author)}(\|[^<>]*)?> ", "", text)


def _file_lines(entry: Entry, text: str) -> list[str]:
    """A line for each file that the text does not link already, as "name (url)"."""
    lines = []
    for file in objects_of(entry.raw, "files"):
        file_id = text_of(file, "id")
        if file_id and file_id in text:
            continue
        name = text_of(file, "title") or text_of(file, "name") or "a file"
        url = _file_url(file)
        if file.get("mode") == "tombstone":
            lines.append("(a file that was deleted)")
        elif not (url and url in text):
            lines.append(f"{name} ({url})" if url else name)
    return lines


def _file_url(file: object) -> str:
    """Where the file is. Never with the query: `?t=xoxe-…` in it opens every file of the export."""
    for key in ("permalink", "url_private", "external_url"):
        url = text_of(file, key)
        if url.startswith(("https://", "http://")):
            try:
                return url if key == "external_url" else urlsplit(url)._replace(query="").geturl()
            except ValueError:
                continue
    return ""


def _attachment_lines(entry: Entry, names: Names) -> list[str]:
    """What a bot posts beside its text, or instead of it."""
    lines: list[str] = []
    for attachment in objects_of(entry.raw, "attachments"):
        title, link = text_of(attachment, "title"), text_of(attachment, "title_link")
        texts = [
            names.readable(text_of(attachment, "pretext")),
            f"{names.readable(title)} ({link})"
            if title and link
            else names.readable(title or link),
            names.readable(text_of(attachment, "text")),
        ]
        if not any(texts):
            texts = [names.readable(text_of(attachment, "fallback"))]
        lines += filter(None, texts)
    return lines
