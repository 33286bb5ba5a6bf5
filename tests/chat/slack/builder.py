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


def dumps(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)


def write(
    root: Path,
    talk: dict[str, Any] | None = None,
    *,
    users: Any = (ANN, BOB, CY),
    channels: Any = (GENERAL,),
    **lists: Any,
) -> Path:
    """An export in `root`. `talk`: file inside it → its entries (or the text of a broken file).

    Every listed room has a folder, as in Slack's exports.
    """
    root.mkdir(parents=True, exist_ok=True)
    files = {"users.json": list(users), "channels.json": list(channels)}
    files |= {f"{name}.json": entries for name, entries in lists.items()}
    for one in [one for name, entries in files.items() if name != "users.json" for one in entries]:
        folder = isinstance(one, dict) and (one.get("name") or one.get("id"))
        if folder and "/" not in folder:
            (root / folder).mkdir(exist_ok=True)
    files |= talk or {}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dumps(content))
    return root


def general(root: Path, *entries: Any, **more: Any) -> Path:
    """An export with one room and one day."""
    return write(root, {"general/2023-11-14.json": list(entries)}, **more)


def zipped(path: Path, files: dict[str, Any], *, flag: bool = True) -> Path:
    """A zip of these files (name → JSON), byte for byte as named: no separator is mended, and
    without `flag` names are UTF-8 that is not said to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(Raw(name, flag=flag), dumps(content))
    return path


class Raw(zipfile.ZipInfo):
    """A member under a name of any bytes."""

    def __init__(self, name: str | bytes, *, flag: bool = True, extra: bytes = b"") -> None:
        super().__init__("x")
        self.raw = name.encode() if isinstance(name, str) else name
        self.filename = self.orig_filename = self.raw.decode("cp437")
        self.flag, self.extra = flag, extra
        self.compress_type = zipfile.ZIP_DEFLATED

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flag_bits | (0x800 if self.flag else 0)


def packed(folder: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, top + file.relative_to(folder).as_posix())
    return path
