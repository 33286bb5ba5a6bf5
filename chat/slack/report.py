"""What became of everything in an export, entry by entry."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from chat.slack.entries import What

NAMED_MAX = 20  # places named for each reason, unless everything is asked for

Places = defaultdict[str, list[str]]


def _places() -> Places:
    return defaultdict(list)


@dataclass
class Tally:
    """One room's entries. It counts for the whole only once the room's transaction is committed."""

    became: Counter[What] = field(default_factory=Counter)
    already_there: int = 0
    extras: Counter[str] = field(default_factory=Counter)
    skipped: Places = field(default_factory=_places)  # why → where
    remarks: Places = field(default_factory=_places)  # came in, but not as they were

    def skip(self, where: str, why: str) -> None:
        self.skipped[why].append(where)

    def remark(self, where: str, why: str) -> None:
        self.remarks[why].append(where)

    def also(self, what: str, count: int = 1) -> None:
        self.extras[what] += count

    def add(self, other: "Tally") -> None:
        self.became += other.became
        self.already_there += other.already_there
        self.extras += other.extras
        for mine, theirs in ((self.skipped, other.skipped), (self.remarks, other.remarks)):
            for why, places in theirs.items():
                mine[why] += places

    @property
    def total(self) -> int:
        skipped = sum(map(len, self.skipped.values()))
        return self.became.total() + self.already_there + skipped


@dataclass
class Report:
    entries: int = 0  # counted as they are read, apart from the tally they must add up to
    tally: Tally = field(default_factory=Tally)
    people: int = 0
    people_new: int = 0
    others_new: int = 0  # bots, and people that users.json does not know
    rooms: int = 0
    rooms_new: int = 0
    renamed: list[tuple[str, str]] = field(default_factory=list)  # channel, address
    failed: list[tuple[str, str]] = field(default_factory=list)  # room, why
    in_failed: int = 0  # entries of failed rooms
    unread_files: list[tuple[str, str]] = field(default_factory=list)
    other_files: list[str] = field(default_factory=list)
    odd: list[tuple[str, str]] = field(default_factory=list)  # in the lists of people and rooms

    @property
    def is_complete(self) -> bool:
        """Nothing was lost to a failure; what was skipped on purpose does not count."""
        return not self.failed and not self.unread_files

    @property
    def losses(self) -> str:
        rooms = _count(len(self.failed), "room", "rooms")
        files = _count(len(self.unread_files), "file", "files")
        return f"{rooms} failed, {files} could not be read"

    def lines(self, *, name_all: bool = False) -> Iterator[str]:
        most = None if name_all else NAMED_MAX
        yield from self._people_and_rooms()
        yield from self._entries()
        yield from _named("Skipped entries", self.tally.skipped, most)
        yield from _named("Came in with a change", self.tally.remarks, most)
        yield from _pairs("Rooms that failed, with nothing of them written", self.failed)
        yield from _pairs("Files that could not be read", self.unread_files)
        yield from _pairs("Left out of the lists", self.odd)
        yield from _pairs("At another address, because theirs was taken", self.renamed)
        if self.other_files:
            yield ""
            yield "Files that are no day of messages, left alone:"
            yield from (f"  {name}" for name in self.other_files)

    def _people_and_rooms(self) -> Iterator[str]:
        old = self.people - self.people_new
        others = f"; {self.others_new:,} more for bots and unknown people"
        yield (
            f"{_count(self.people, 'person', 'people')}: {self.people_new:,} new, "
            f"{old:,} already there" + (others if self.others_new else "")
        )
        old = self.rooms - self.rooms_new - len(self.failed)
        yield (
            f"{_count(self.rooms, 'room', 'rooms')}: {self.rooms_new:,} new, "
            f"{old:,} already there, {len(self.failed):,} failed"
        )

    def _entries(self) -> Iterator[str]:
        yield f"{_count(self.entries, 'entry', 'entries')} read:"
        rows = [(what.value, self.tally.became[what]) for what in What]
        rows += [
            ("already there", self.tally.already_there),
            *((f"skipped: {why}", len(at)) for why, at in sorted(self.tally.skipped.items())),
            ("in rooms that failed", self.in_failed),
        ]
        yield from (f"{count:>9,}  {what}" for what, count in rows if count)
        yield f"{self.tally.total + self.in_failed:>9,}  in all"
        extras = [f"{count:,} {what}" for what, count in sorted(self.tally.extras.items()) if count]
        if extras:
            yield f"With them: {', '.join(extras)}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _named(title: str, places: Places, most: int | None) -> Iterator[str]:
    if not places:
        return
    yield ""
    yield f"{title}:"
    for why, at in sorted(places.items()):
        yield from (f"  {where}: {why}" for where in at[:most])
        if most is not None and len(at) > most:
            yield f"  … and {len(at) - most:,} more: {why} (--verbosity 2 names them all)"


def _pairs(title: str, pairs: list[tuple[str, str]]) -> Iterator[str]:
    if pairs:
        yield ""
        yield f"{title}:"
        yield from (f"  {name}: {text}" for name, text in pairs)
