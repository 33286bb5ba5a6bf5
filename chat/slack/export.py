"""Which people, rooms and day files an export has. Nothing here touches the database."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from chat.models import Room
from chat.slack.files import LISTS, PEOPLE_LISTS, ExportError, File, Files, Unreadable
from chat.slack.folders import Claim, Folders, settle
from chat.slack.reading import entries_of
from chat.slack.values import is_id, line_of, name_of, text_of

# The most private first: a folder that two lists claim belongs to the first of them.
ROOM_LISTS = {
    "dms.json": Room.Kind.DIRECT,
    "mpims.json": Room.Kind.PRIVATE,
    "groups.json": Room.Kind.PRIVATE,
    "channels.json": Room.Kind.OPEN,
}
# What Slack puts beside the talk: logs of apps, and lists of what is not in the export itself.
COMPANIONS = frozenset(
    {
        *("integration_logs.json", "canvases.json", "content_flags.json", "lists.json"),
        *("file_conversations.json", "huddle_transcripts.json", "canvas_in_the_conversation.json"),
    }
)


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
    topic: str
    created: datetime | None
    is_archived: bool
    members: tuple[str, ...]
    files: tuple[File, ...] = ()  # the day files, oldest first

    @property
    def label(self) -> str:
        """What its folder is called, for the account."""
        return self.name or self.id


@dataclass
class Export:
    files: Files
    people: dict[str, Person] = field(default_factory=dict)
    rooms: list[SlackRoom] = field(default_factory=list)
    # Entries of the lists that could not be taken, and ones that come twice: (where, why).
    odd: list[tuple[str, str]] = field(default_factory=list)
    twice: list[tuple[str, str]] = field(default_factory=list)
    # People with a name that nobody may have here: (where, what they are called).
    renamed: list[tuple[str, str]] = field(default_factory=list)
    # Folder of no room → its days; one that lies beside the lists stands for itself.
    roomless: dict[str, list[File]] = field(default_factory=lambda: defaultdict(list))
    folderless: list[str] = field(default_factory=list)  # rooms of the lists
    companions: list[str] = field(default_factory=list)  # files known to hold no messages
    strays: list[str] = field(default_factory=list)  # files that fit nothing

    @classmethod
    def load(cls, files: Files) -> "Export":
        """Raises ExportError where the lists of an export are missing or cannot be read."""
        if not any(files.listing.named(name) for name in PEOPLE_LISTS):
            raise ExportError("it has no users.json")
        if not any(files.listing.named(name) for name in ROOM_LISTS):
            raise ExportError("it has no channels.json")
        export = cls(files)
        for name in PEOPLE_LISTS:
            export._load_people(name)
        export._load_rooms()
        return export

    def _load_people(self, list_name: str) -> None:
        here: set[str] = set()
        for where, entry in self._objects(list_name):
            person, called = _person(entry), _called(entry)
            if person.display_name != called:
                self.renamed.append((where, f"{called!r} is called {person.display_name!r}"))
            if person.id in here:
                self.twice.append((where, "comes twice"))
            here.add(person.id)
            self.people.setdefault(person.id, person)

    def _load_rooms(self) -> None:
        rooms: dict[str, tuple[SlackRoom, str]] = {}
        for list_name, kind in ROOM_LISTS.items():
            for where, entry in self._objects(list_name):
                if entry["id"] in rooms:
                    self.twice.append((where, "comes twice"))
                else:
                    rooms[entry["id"]] = _room(entry, kind), list_name
        folders = Folders.of(self.files.listing)
        found = settle(
            [Claim(room.id, (room.name, room.id)) for room, _ in rooms.values()], folders.names
        )
        for room, list_name in rooms.values():
            days = tuple(folders.take(found.get(room.id, ())))
            self.rooms.append(replace(room, files=days))
            if room.id not in found:
                self.folderless.append(f"{room.label} ({room.id} in {list_name})")
        for file in (file for days in folders.days.values() for file in days):
            self.roomless[file.folder or file.name].append(file)
        self._sort_out(folders.others)

    def _sort_out(self, others: list[File]) -> None:
        for file in others:
            if file.name.casefold() not in LISTS:
                is_known = file.base.casefold() in COMPANIONS
                (self.companions if is_known else self.strays).append(file.name)
        self.strays += self.files.listing.outside

    def _objects(self, list_name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The list's entries that are objects with an id, each with its place for the report."""
        for file in self.files.listing.named(list_name):
            try:
                for number, entry in enumerate(entries_of(self.files.chunks(file)), 1):
                    where = f"{list_name}: entry {number}"
                    if not isinstance(entry, dict):
                        self.odd.append((where, "is no object"))
                    elif not is_id(entry.get("id")):
                        self.odd.append((where, "has no id"))
                    else:
                        yield where, entry
            except Unreadable as error:
                raise ExportError(f"its {list_name} {error}") from error


def _person(entry: dict[str, Any]) -> Person:
    username = text_of(entry, "name")
    name = name_of(*_names(entry))
    return Person(entry["id"], username or name, name, entry.get("deleted") is not True)


def _called(entry: dict[str, Any]) -> str:
    """By Slack."""
    return line_of(next(filter(None, _names(entry))))


def _names(entry: dict[str, Any]) -> Iterator[str]:
    yield text_of(entry, "profile", "display_name")
    yield text_of(entry, "profile", "real_name")
    yield text_of(entry, "real_name")
    yield text_of(entry, "name")
    yield entry["id"]


def _room(entry: dict[str, Any], kind: Room.Kind) -> SlackRoom:
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
        topic=text_of(entry, "topic", "value") or text_of(entry, "purpose", "value"),
        created=_created(entry.get("created")),
        is_archived=entry.get("is_archived") is True,
        members=tuple(dict.fromkeys(filter(is_id, members if isinstance(members, list) else ()))),
    )


def _created(value: object) -> datetime | None:
    if not isinstance(value, int) or not 0 < value < 2**33:
        return None
    return datetime.fromtimestamp(value, UTC)
