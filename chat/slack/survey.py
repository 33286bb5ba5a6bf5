"""A first look at all day files, before anything is written.

It tells which can be read from end to end, how many entries there are, and what people are called
who are not in users.json: whom one room mentions may have written in another only.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from chat.slack.entries import profile_name
from chat.slack.export import Export, Person
from chat.slack.files import File, Unreadable
from chat.slack.reading import entries_of
from chat.slack.values import is_id


@dataclass
class Survey:
    counts: dict[str, int] = field(default_factory=dict)  # entries, by room id
    roomless: dict[str, int] = field(default_factory=dict)  # entries, by folder
    unread: dict[File, str] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)  # id → name

    def meet(self, entry: object, people: Mapping[str, Person]) -> None:
        """Remember what the writer of an entry is called, if `people` do not tell."""
        user = entry.get("user") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not is_id(user):
            return
        if user not in people and user not in self.profiles and (name := profile_name(entry)):
            self.profiles[user] = name

    @property
    def entries(self) -> int:
        return sum(self.counts.values()) + sum(self.roomless.values())


def survey(export: Export, done: Callable[[int], object]) -> Survey:
    """`done` is told of bytes that are read."""
    found = Survey()
    for room in export.rooms:
        found.counts[room.id] = _count(export, room.files, found, done, with_profiles=True)
    for folder, files in export.roomless.items():
        found.roomless[folder] = _count(export, files, found, done)
    return found


def _count(
    export: Export,
    files: Iterable[File],
    found: Survey,
    done: Callable[[int], object],
    *,
    with_profiles: bool = False,
) -> int:
    """The entries of those files that can be read; what is broken is taken not at all."""
    total = 0
    for file in files:
        count = 0
        try:
            for entry in entries_of(export.files.chunks(file)):
                count += 1
                if with_profiles:
                    found.meet(entry, export.people)
        except Unreadable as error:
            found.unread[file] = str(error)
        else:
            total += count
        done(file.size)
    return total
