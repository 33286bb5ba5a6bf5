"""Counts an export's JSON on its own, to be compared with the account of the import.

It shares no code with the import: it says in the plainest way what should become of each entry of
an export whose folders are called as its rooms are.
"""

import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

TIME = re.compile(r"(0|[1-9]\d{0,11})\.\d{6}", re.ASCII)
LOG_LINES = {"message_changed", "message_deleted", "message_replied"}
ROWS = {
    "channel_join": "joins, as notices",
    "group_join": "joins, as notices",
    "channel_leave": "leaves, as notices",
    "channel_topic": "topics and purposes, as notices",
    "channel_purpose": "topics and purposes, as notices",
    "bot_message": "bot posts",
    "me_message": "/me, as actions",
    "file_share": "file shares, as links",
    "file_comment": "comments on files",
    "tombstone": "deleted ones, kept as deleted",
}


def files_of(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*.json")}
    with zipfile.ZipFile(path) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist() if not i.is_dir()}


def census(path: Path) -> dict[str, int]:
    """Row of the account → how many; "in all" for the sum."""
    files = files_of(path)
    rooms: set[str] = set()
    for name in ("channels.json", "groups.json", "mpims.json", "dms.json"):
        for room in json.loads(files.get(name, b"[]")):
            rooms.add(room.get("name") or room["id"])
    rows: Counter[str] = Counter()
    for room in {name.rpartition("/")[0] for name in files if "/" in name}:
        entries = []
        for name in sorted(files):
            if re.fullmatch(re.escape(room) + r"/\d{4}-\d\d-\d\d\.json", name):
                try:
                    entries += json.loads(files[name])
                except ValueError:
                    continue  # a broken day counts as a file, not by entry
        if room not in rooms:
            rows["in folders that belong to no room"] += len(entries)
            continue
        there = {e["ts"] for e in entries if isinstance(e, dict) and _row(e) in _MESSAGES}
        seen = set()
        for entry in entries:
            row = _row(entry)
            if row in _MESSAGES:
                voice = (entry["ts"], entry.get("user"), entry.get("bot_id"), entry.get("username"))
                thread = entry.get("thread_ts", entry["ts"])
                if voice in seen:
                    row = "skipped: comes twice in the export"
                elif row == "messages" and thread != entry["ts"] and thread in there:
                    row = "replies in threads"
                seen.add(voice)
            rows[row] += 1
    return dict(rows) | {"in all": sum(rows.values())}


_MESSAGES = {*ROWS.values(), "messages", "other notices"}


def _row(entry: Any) -> str:
    """What becomes of an entry for itself, before it is compared with others."""
    if not isinstance(entry, dict):
        return "not taken: is no object"
    if not isinstance(entry.get("ts"), str) or not TIME.fullmatch(entry["ts"]):
        return "not taken: has no time that can be read"
    if entry.get("type", "message") != "message":
        return f"not taken: is no message but of type {entry['type']!r}"
    if entry.get("subtype") in LOG_LINES:
        return "skipped: is a log line about another message"
    if not any(entry.get(key) for key in ("user", "bot_id", "username", "comment")):
        return "not taken: does not say who wrote it"
    return _kind(entry)


def _kind(entry: dict[str, Any]) -> str:
    subtype = entry.get("subtype")
    if subtype not in (None, "thread_broadcast"):
        return ROWS.get(subtype, "other notices")
    if entry.get("bot_id") or not entry.get("user"):
        return "bot posts"
    return "file shares, as links" if entry.get("files") else "messages"
