"""A whole export into the database, room by room."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.db import DatabaseError, connection, transaction

from chat.models import Room
from chat.slack import rooms
from chat.slack.accounts import Accounts
from chat.slack.entries import Author, Entry, Lost, Skipped, place, read_entry
from chat.slack.export import Export, SlackRoom
from chat.slack.files import ExportError, open_files
from chat.slack.index import Index
from chat.slack.markup import Names
from chat.slack.messages import Intake
from chat.slack.reading import entries_of
from chat.slack.report import Report
from chat.slack.survey import Survey, survey
from chat.slack.tally import NAMED_MAX, Tally

logger = logging.getLogger(__name__)

# Any fixed number; two imports at once would give the same people two accounts.
_LOCK = 7_306_115_201


class Bar(Protocol):
    def update(self, count: int, /) -> object: ...


# (what is done, how much of it, in which unit) → something that is told of each part of it
Progress = Callable[[str, int, str], AbstractContextManager[Bar]]


def import_export(path: Path, *, progress: Progress, name_all: bool = False) -> Report:
    """Bring in the export at `path` and say what became of it; `name_all`: of each entry.

    Raises ExportError where nothing can be imported.
    """
    with open_files(path) as files:
        try:
            export = Export.load(files)
        except ExportError as error:
            raise ExportError(f"{path} is no Slack export that can be read: {error}.") from error
        with _alone():
            size = sum(file.size for room in export.rooms for file in room.files)
            size += sum(file.size for days in export.roomless.values() for file in days)
            with progress("Reading", size, "B") as bar:
                found = survey(export, bar.update)
            return Importer(export, found, most=None if name_all else NAMED_MAX).run(progress)


class Importer:
    def __init__(self, export: Export, found: Survey, *, most: int | None) -> None:
        self.export = export
        self.found = found
        self.most = most
        self.report = Report(export, found, Tally(most), most)
        self.accounts = Accounts(export.people, found.profiles)
        self.names = _names(export, found)

    def run(self, progress: Progress) -> Report:
        report, export = self.report, self.export
        report.people_new = self.accounts.ensure(Author(one) for one in export.people)
        with progress("Importing", sum(self.found.counts.values()), " entries") as bar:
            for room in export.rooms:
                self._room(room, bar)
        return report

    def _room(self, slack: SlackRoom, bar: Bar) -> None:
        """One room fails without harming the others, whatever it is that fails."""
        tally = Tally(self.most)
        told = _Told(bar)
        try:
            index = self._index(slack)
            self.report.others_new += self.accounts.ensure(index.voices.values())
            with transaction.atomic():
                room, first = rooms.find_or_make(slack, self.names, self.accounts)
                intake = Intake(room, index, self.accounts, self.names, tally, told.update)
                intake.take(self._entries(slack, tally))
                joined = index.joined(intake.plan.new(), intake.plan.users)
                members = rooms.settle_members(slack, room, self.accounts, joined, first=first)
        except Exception as error:
            logger.debug("Room %s failed", slack.id, exc_info=True)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()  # the next room may find it back
            self.report.failed.append((slack.label, _one_line(error)))
            self.report.in_failed += self.found.counts[slack.id]
            return
        finally:
            bar.update(self.found.counts[slack.id] - told.count)  # what was skipped
        tally.extras["memberships"] += members
        self.report.tally.add(tally)
        if first:
            self.report.rooms_new += 1
            self._note_address(slack, room)

    def _index(self, slack: SlackRoom) -> Index:
        index = Index(slack.id)
        if slack.kind == Room.Kind.DIRECT:
            index.add_people(slack.members)
        for entry in self._entries(slack, Tally(0)):
            index.add(entry)
        return index

    def _entries(self, slack: SlackRoom, tally: Tally) -> Iterator[Entry]:
        """The room's entries, file by file; those that cannot be taken go into the tally."""
        count = 0
        for file in slack.files:
            if file in self.found.unread:
                continue
            for number, raw in enumerate(entries_of(self.export.files.chunks(file)), 1):
                count += 1
                try:
                    entry = read_entry(raw, file.name, number)
                except Skipped as reason:
                    reasons = tally.lost if isinstance(reason, Lost) else tally.skipped
                    reasons[str(reason)].add(place(raw, file.name, number))
                else:
                    yield entry
        if count != self.found.counts[slack.id]:
            raise RuntimeError("its files changed while they were read")

    def _note_address(self, slack: SlackRoom, room: Room) -> None:
        renamed = room.slug.removeprefix(rooms.slug_of(slack)).startswith("-slack")
        if renamed and room.kind == Room.Kind.OPEN:
            self.report.renamed.append((slack.label, f"/chat/{room.slug}/"))


@dataclass
class _Told:
    bar: Bar
    count: int = 0

    def update(self, count: int) -> None:
        self.count += count
        self.bar.update(count)


def _names(export: Export, found: Survey) -> Names:
    public = {room.id: room.name for room in export.rooms if room.kind == Room.Kind.OPEN}
    people = {person.id: person.display_name for person in export.people.values()}
    return Names(
        users=found.profiles | people,
        rooms=public,
        private=frozenset(room.id for room in export.rooms) - public.keys(),
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Only one import at a time. The lock ends with the connection, if not before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        (got,) = cursor.fetchone()
    if not got:
        raise ExportError("Another import is running; wait for its end.")
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _one_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
