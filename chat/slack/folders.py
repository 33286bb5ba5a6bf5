"""Which room a folder of day files belongs to.

A folder is called by its room's name, or by its id. Programs that pack and unpack change case,
Unicode form and code page on the way, so names are compared in steps, the strictest first. A folder
that several rooms may claim goes to the most private of them: talk must not reach other readers.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chat.slack.files import File, Listing
from chat.slack.spelling import alike, readings

# "2018-02-01 (1).json" is the same day, loaded twice.
DAY_FILE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*\.json", re.IGNORECASE)


class Claim(NamedTuple):
    room: str
    names: Sequence[str]  # that its folder may bear; empty ones count for nothing


@dataclass
class Folders:
    names: list[str]  # also of folders without files
    days: dict[str, list[File]] = field(default_factory=lambda: defaultdict(list))
    others: list[File] = field(default_factory=list)

    @classmethod
    def of(cls, listing: Listing) -> "Folders":
        folders = cls(sorted(listing.folders))
        for file in sorted(listing.files, key=lambda file: (file.base, file.name)):
            if DAY_FILE.fullmatch(file.base):
                folders.days[file.folder].append(file)
            else:
                folders.others.append(file)
        return folders

    def take(self, names: Iterable[str]) -> Iterator[File]:
        """The day files of these folders, oldest first; whoever asks next gets them no more."""
        files = [file for name in names for file in self.days.pop(name, ())]
        yield from sorted(files, key=lambda file: (file.base, file.name))


def settle(claims: Sequence[Claim], folders: Sequence[str]) -> dict[str, list[str]]:
    """Room → its folders. `claims`: the most private first. A room without a folder is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    claimants = _by_name(claims)
    groups: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        groups[alike(folder)].append(folder)
    unknown = []
    for name, spellings in groups.items():
        if name in claimants:
            for folder, room in _shared_out(spellings, claimants[name]):
                found[room].append(folder)
        else:
            unknown += spellings
    waiting = _by_name(claim for claim in claims if claim.room not in found)
    for folder in unknown:
        rooms = {claimants[0].room for claimants in _readings(folder, waiting)}
        if len(rooms) == 1:
            found[rooms.pop()].append(folder)
    return dict(found)


def _by_name(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        for name in {alike(name) for name in claim.names if name}:
            found[name].append(claim)
    return found


def _shared_out(spellings: list[str], claims: list[Claim]) -> Iterator[tuple[str, str]]:
    """Folders whose names are alike, among the rooms whose names are: each its own, where each has
    one; else a system that knows no case may have made one folder of two, and the first gets all.
    """
    own = {name: claim.room for claim in reversed(claims) for name in claim.names}
    each_has_one = {own.get(name) for name in spellings} >= {claim.room for claim in claims}
    for name in spellings:
        yield name, own.get(name, claims[0].room) if each_has_one else claims[0].room


def _readings(folder: str, waiting: dict[str, list[Claim]]) -> list[list[Claim]]:
    names = {alike(name) for name in readings(folder)}
    return [waiting[name] for name in names if name in waiting]
