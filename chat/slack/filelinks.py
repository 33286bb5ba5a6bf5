"""Files as links: where Slack has them, without what opens them; and what was said with them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from chat.slack.markup import Names
from chat.slack.tally import LeftOut
from chat.slack.values import objects_of, text_of


def file_lines(raw: dict[str, Any], text: str, names: Names, left: LeftOut) -> Iterator[str]:
    """A line for each file that `text` does not link already, as "name (url)", and below it what
    was said when it was uploaded, if `text` does not have that."""
    for file in objects_of(raw, "files") or objects_of({"file": [raw.get("file")]}, "file"):
        yield _link(file, text)
        yield _comment(file, raw, text.strip(), names, left)


def _link(file: dict[str, Any], text: str) -> str:
    file_id, url = text_of(file, "id"), _url(file)
    if file_id and file_id in text:
        return ""
    if file.get("mode") == "tombstone":
        return "(a file that was deleted)"
    if url and url in text:
        return ""
    name = text_of(file, "title") or text_of(file, "name") or "a file"
    return f"{name} ({url})" if url else name


def _comment(
    file: dict[str, Any], raw: dict[str, Any], text: str, names: Names, left: LeftOut
) -> str:
    comment, user = (text_of(file, "initial_comment", key) for key in ("comment", "user"))
    if not comment or text == comment or text.endswith(f"commented: {comment}"):
        return ""
    if later := text_of(raw, "comment", "comment"):  # the reader of this one saw it long before
        left["first comments on files"] += later != comment
        return ""
    shown_by = text_of(raw, "user") or text_of(raw, "author_id")
    said_by = "" if user in ("", shown_by) else f"{names.user(user)}: "
    return said_by + names.readable(comment)


def _url(file: object) -> str:
    """Where the file is. Never with the query: `?t=xoxe-…` in it opens every file of the export."""
    for key in ("permalink", "url_private", "external_url"):
        url = text_of(file, key)
        if url.startswith(("https://", "http://")):
            try:
                return url if key == "external_url" else urlsplit(url)._replace(query="").geturl()
            except ValueError:
                continue
    return ""
