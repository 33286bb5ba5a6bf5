"""Slack exports made to measure."""

import json
import zipfile
from pathlib import Path
from typing import Any

NOON = 1_700_000_000  # seconds; the first message of a made-up day


def ts(number: int, micros: int = 100) -> str:
    return f"{NOON + number}.{micros:06}"


def user(user_id: str, name: str, **more: Any) -> dict[str, Any]:
    profile = {"display_name": name.title(), "real_name": name.title(), "email": f"{name}@b.test"}
    return {"id": user_id, "name": name, "deleted": False, "profile": profile} | more


def room(room_id: str, name: str, *members: str, **more: Any) -> dict[str, Any]:
    return {"id": room_id, "name": name, "members": list(members)} | more


def said(number: int, text: Any = "Hello", user: Any = "U1", **more: Any) -> dict[str, Any]:
    return {"type": "message", "ts": ts(number), "user": user, "text": text} | more


ANN, BOB, CY = user("U1", "ann"), user("U2", "bob"), user("U3", "cy")
GENERAL = room("C1", "general", "U1", "U2")


def write(
    root: Path,
    talk: dict[str, Any] | None = None,
    *,
    users: Any = (ANN, BOB, CY),
    channels: Any = (GENERAL,),
    **lists: Any,
) -> Path:
    """An export in `root`. `talk`: file inside it → its entries (or the text of a broken file)."""
    root.mkdir(parents=True, exist_ok=True)
    files = {"users.json": list(users), "channels.json": list(channels)}
    files |= {f"{name}.json": entries for name, entries in lists.items()}
    files |= talk or {}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def general(root: Path, *entries: Any, **more: Any) -> Path:
    """An export with one room and one day."""
    return write(root, {"general/2023-11-14.json": list(entries)}, **more)


def packed(folder: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.json")):
            archive.write(file, top + file.relative_to(folder).as_posix())
    return path
