"""What became of everything in an export: the account that the command prints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chat.slack.entries import What
from chat.slack.export import Export
from chat.slack.survey import Survey
from chat.slack.tally import Reasons, Tally


@dataclass
class Report:
    export: Export
    found: Survey  # at first sight, apart from the tally, which must add up to it
    tally: Tally
    most: int | None  # names in each list; None: all
    people_new: int = 0
    others_new: int = 0  # bots, and people that users.json does not know
    rooms_new: int = 0
    renamed: list[tuple[str, str]] = field(default_factory=list)  # channel, address
    failed: list[tuple[str, str]] = field(default_factory=list)  # room, why
    in_failed: int = 0  # entries of failed rooms

    @property
    def unread(self) -> list[tuple[str, str]]:
        """Files, and why."""
        files = [(file.name, why) for file, why in self.found.unread.items()]
        return files + self.export.files.listing.closed

    @property
    def is_complete(self) -> bool:
        """Everything found its place; what was skipped as is right does not count."""
        return not any(count for count, _, _ in self._losses())

    @property
    def losses(self) -> str:
        parts = [_count(count, one, many) for count, one, many in self._losses() if count]
        return ", ".join(parts)

    def _losses(self) -> list[tuple[int, str, str]]:
        export = self.export
        return [
            (len(self.failed), "room failed", "rooms failed"),
            (len(self.unread), "file could not be read", "files could not be read"),
            (len(self.found.roomless), "folder belongs to no room", "folders belong to no room"),
            (len(export.folderless), "room has no folder", "rooms have no folder"),
            (len(export.strays), "file fits nothing", "files fit nothing"),
            (len(export.odd), "line of the lists was left out", "lines of the lists were left out"),
            (self.tally.lost.count, "entry could not be taken", "entries could not be taken"),
        ]

    def lines(self) -> Iterator[str]:
        yield from self._people_and_rooms()
        yield from self._entries()
        yield from self._named("Entries that could not be taken", self.tally.lost)
        yield from self._named("Skipped entries", self.tally.skipped)
        yield from self._named("Came in with a change", self.tally.remarks)
        yield from self._pairs("Rooms that failed, with nothing of them written", self.failed)
        yield from self._pairs("Files that could not be read", self.unread)
        yield from self._pairs(
            "Folders of no room in the lists, and days in none: nobody can tell who may read them",
            [(name, _count(n, "entry", "entries")) for name, n in self.found.roomless.items()],
        )
        yield from self._list("Rooms of the lists without a folder", self.export.folderless)
        yield from self._list("Files that fit nothing", self.export.strays)
        yield from self._pairs("Left out of the lists", self.export.odd + self.export.twice)
        yield from self._pairs("People whose name nobody may have here", self.export.renamed)
        yield from self._pairs("At another address, because theirs was taken", self.renamed)
        companions = self.export.companions
        yield from self._list("Files of Slack's that hold no messages, left alone", companions)

    def _people_and_rooms(self) -> Iterator[str]:
        people, rooms = len(self.export.people), len(self.export.rooms)
        old = people - self.people_new
        others = f"; {self.others_new:,} more for bots and unknown people"
        yield (
            f"{_count(people, 'person', 'people')}: {self.people_new:,} new, "
            f"{old:,} already there" + (others if self.others_new else "")
        )
        old = rooms - self.rooms_new - len(self.failed)
        yield (
            f"{_count(rooms, 'room', 'rooms')}: {self.rooms_new:,} new, "
            f"{old:,} already there, {len(self.failed):,} failed"
        )

    def _entries(self) -> Iterator[str]:
        roomless = sum(self.found.roomless.values())
        yield f"{_count(self.found.entries, 'entry', 'entries')} read:"
        rows = [(what.value, self.tally.became[what]) for what in What]
        rows += [
            ("already there", self.tally.already_there),
            *_rows("skipped", self.tally.skipped),
            *_rows("not taken", self.tally.lost),
            ("in rooms that failed", self.in_failed),
            ("in folders that belong to no room", roomless),
        ]
        yield from (f"{count:>9,}  {what}" for what, count in rows if count)
        yield f"{self.tally.total + self.in_failed + roomless:>9,}  in all"
        yield from _sum("With them", self.tally.extras)
        yield from _sum("Left out of them", self.tally.left)

    def _named(self, title: str, reasons: Reasons) -> Iterator[str]:
        if reasons:
            yield ""
            yield f"{title}:"
        for why, places in sorted(reasons.items()):
            yield from (f"  {where}: {why}" for where in places.named)
            yield from _rest(places.count - len(places.named), f": {why}")

    def _list(self, title: str, names: Sequence[str]) -> Iterator[str]:
        if names:
            yield ""
            yield f"{title}:"
            yield from (f"  {name}" for name in names[: self.most])
            yield from _rest(len(names[self.most :]) if self.most is not None else 0)

    def _pairs(self, title: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
        yield from self._list(title, [f"{name}: {text}" for name, text in pairs])


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _rows(title: str, reasons: Reasons) -> list[tuple[str, int]]:
    return [(f"{title}: {why}", places.count) for why, places in sorted(reasons.items())]


def _sum(title: str, counts: dict[str, int]) -> Iterator[str]:
    parts = [f"{count:,} {what}" for what, count in sorted(counts.items()) if count]
    if parts:
        yield f"{title}: {', '.join(parts)}"


def _rest(count: int, why: str = "") -> Iterator[str]:
    if count:
        yield f"  … and {count:,} more{why} (--verbosity 2 names them all)"
