"""Files as links: where Slack has them, without what opens them."""

from typing import Any
from urllib.parse import urlsplit

from chat.slack.values import objects_of, text_of


def file_lines(raw: dict[str, Any], text: str) -> list[str]:
    """A line for each file that `text` does not link already, as "name (url)"."""
    lines = []
    for file in objects_of(raw, "files") or objects_of({"file": [raw.get("file")]}, "file"):
        file_id = text_of(file, "id")
        if file_id and file_id in text:
            continue
        name = text_of(file, "title") or text_of(file, "name") or "a file"
        url = _url(file)
        if file.get("mode") == "tombstone":
            lines.append("(a file that was deleted)")
        elif not (url and url in text):
            lines.append(f"{name} ({url})" if url else name)
    return lines


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
