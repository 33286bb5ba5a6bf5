"""Which people, rooms and day files an export has. Nothing here touches the database."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chat.models import Room
from chat.slack.files import ExportError, Files, Unreadable, read_list
from chat.slack.values import is_id, text_of

DAY_FILE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.json")
# The most private first: a folder that two lists claim belongs to the first of them.
ROOM_LISTS = {
    "dms.json": Room.Kind.DIRECT,
    "mpims.json": Room.Kind.PRIVATE,
    "groups.json": Room.Kind.PRIVATE,
    "channels.json": Room.Kind.OPEN,
}


@dataclass(frozen=True)
class Person:
    id: str
    username: str
    display_name: str
    is_active: bool


@dataclass(frozen=True)
class SlackRoom:
    id: str
    name: str
    kind: Room.Kind
    folder: str
    topic: str
    created: datetime | None
    is_archived: bool
    members: tuple[str, ...]
    files: tuple[str, ...]  # the day files, oldest first


@dataclass
class Export:
    files: Files
    people: dict[str, Person] = field(default_factory=dict)
    rooms: list[SlackRoom] = field(default_factory=list)
    # What could not be taken: (where, why).
    odd: list[tuple[str, str]] = field(default_factory=list)
    # Day files in folders of no listed room: nobody can tell who may read them.
    homeless: tuple[str, ...] = ()
    # Other files in a room's folder, such as canvases.
    other: tuple[str, ...] = ()

    @classmethod
    def load(cls, files: Files) -> "Export":
        """Raises ExportError where the lists of an export are missing or cannot be read."""
        if "users.json" not in files.names:
            raise ExportError("it has no users.json")
        if files.names.isdisjoint(ROOM_LISTS):
            raise ExportError("it has no channels.json")
        export = cls(files)
        export._load_people()
        export._load_rooms()
        return export

    def _load_people(self) -> None:
        for where, entry in self._objects("users.json"):
            person = _person(entry)
            if person.id in self.people:
                self.odd.append((where, "comes twice"))
            else:
                self.people[person.id] = person

    def _load_rooms(self) -> None:
        folders: dict[str, list[str]] = defaultdict(list)
        other = []
        for name in sorted(self.files.names):
            folder, _, file = name.rpartition("/")
            if DAY_FILE.fullmatch(file):
                folders[folder].append(name)
            elif folder and not file.startswith("._"):  # a Mac leaves those in zips
                other.append(name)
        self.other = tuple(other)
        seen: set[str] = set()
        for list_name, kind in ROOM_LISTS.items():
            if list_name not in self.files.names:
                continue
            for where, entry in self._objects(list_name):
                if entry["id"] in seen:
                    self.odd.append((where, "comes twice"))
                    continue
                seen.add(entry["id"])
                folder = _folder(entry, folders)
                files = tuple(folders.pop(folder, ()))
                self.rooms.append(_room(entry, kind, folder, files))
        self.homeless = tuple(name for names in folders.values() for name in names)

    def _objects(self, list_name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The list's entries that are objects with an id, each with its place for the report."""
        try:
            entries = read_list(self.files, list_name)
        except Unreadable as error:
            raise ExportError(f"its {list_name} {error}") from error
        for number, entry in enumerate(entries, 1):
            where = f"{list_name}: entry {number}"
            if not isinstance(entry, dict):
                self.odd.append((where, "is no object"))
            elif not is_id(entry.get("id")):
                self.odd.append((where, "has no id"))
            else:
                yield where, entry


def _person(entry: dict[str, Any]) -> Person:
    username = text_of(entry, "name")
    name = (
        text_of(entry, "profile", "display_name")
        or text_of(entry, "profile", "real_name")
        or text_of(entry, "real_name")
        or username
        or entry["id"]
    )
    return Person(entry["id"], username or name, name, entry.get("deleted") is not True)


def _folder(entry: dict[str, Any], folders: dict[str, list[str]]) -> str:
    """A room's folder is called by its name; a direct room has none, so by its id."""
    names = (text_of(entry, "name"), entry["id"])
    return next((name for name in names if name in folders), names[0] or names[1])


def _room(entry: dict[str, Any], kind: Room.Kind, folder: str, files: tuple[str, ...]) -> SlackRoom:
    # Some tools that write exports put every conversation into channels.json, with these marks.
    if kind == Room.Kind.OPEN and any(
        entry.get(mark) for mark in ("is_private", "is_group", "is_mpim", "is_im")
    ):
        kind = Room.Kind.PRIVATE
    members = entry.get("members")
    return SlackRoom(
        id=entry["id"],
        name=text_of(entry, "name"),
        kind=kind,
        folder=folder,
        topic=text_of(entry, "topic", "value") or text_of(entry, "purpose", "value"),
        created=_created(entry.get("created")),
        is_archived=entry.get("is_archived") is True,
        members=tuple(dict.fromkeys(filter(is_id, members if isinstance(members, list) else ()))),
        files=files,
    )


def _created(value: object) -> datetime | None:
    if not isinstance(value, int) or not 0 < value < 2**33:
        return None
    return datetime.fromtimestamp(value, UTC)
