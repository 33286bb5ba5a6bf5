"""A whole export into the database, room by room."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import DatabaseError, connection, transaction

from chat.models import Room
from chat.slack import messages, rooms
from chat.slack.accounts import Accounts
from chat.slack.entries import Author, Entry, Skipped, place, read_entry
from chat.slack.export import Export, SlackRoom
from chat.slack.files import ExportError, Unreadable, open_files, read_list
from chat.slack.markup import Names
from chat.slack.report import Report, Tally

logger = logging.getLogger(__name__)

# Any fixed number; two imports at once would give the same people two accounts.
_LOCK = 7_306_115_201

Progress = Callable[[list[SlackRoom]], Iterable[SlackRoom]]


def import_export(path: Path, *, progress: Progress = iter) -> Report:
    """Bring in the export at `path` and say what became of it.

    `progress` wraps the walk over the rooms. Raises ExportError where nothing can be imported.
    """
    with open_files(path) as files:
        try:
            export = Export.load(files)
        except ExportError as error:
            raise ExportError(f"{path} is no Slack export that can be read: {error}.") from error
        with _alone():
            return Importer(export).run(progress)


class Importer:
    def __init__(self, export: Export) -> None:
        self.export = export
        self.report = Report()
        self.accounts = Accounts(export.people)
        self.names = _names(export)

    def run(self, progress: Progress) -> Report:
        report, export = self.report, self.export
        report.odd = export.odd
        report.other_files = list(export.other)
        report.people = len(export.people)
        report.people_new = self.accounts.ensure(Author(one, "") for one in export.people)
        report.rooms = len(export.rooms)
        for room in progress(export.rooms):
            self._room(room)
        self._homeless()
        return report

    def _room(self, slack: SlackRoom) -> None:
        """One room fails without harming the others, whatever it is that fails."""
        tally = Tally()
        before = self.report.entries
        try:
            entries = self._entries(slack.files, tally)
            entries.sort(key=lambda entry: entry.order)  # stable: ties stay as the files have them
            self.report.others_new += self.accounts.ensure(self._voices(slack, entries))
            with transaction.atomic():
                room, first = rooms.find_or_make(slack, self.names, self.accounts)
                intake = messages.Intake(room, slack.id, self.accounts, self.names, tally)
                fresh = intake.take(entries)
                members = rooms.settle_members(slack, room, self.accounts, fresh, first=first)
        except Exception as error:
            logger.debug("Room %s failed", slack.id, exc_info=True)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()  # the next room may find it back
            self.report.failed.append((slack.folder, _one_line(error)))
            self.report.in_failed += self.report.entries - before
            return
        tally.also("memberships", members)
        self.report.tally.add(tally)
        if first:
            self.report.rooms_new += 1
            self._note_address(slack, room)

    def _entries(self, files: Iterable[str], tally: Tally) -> list[Entry]:
        entries = []
        for file in files:
            for number, raw in self._raw(file):
                try:
                    entries.append(read_entry(raw, file, number))
                except Skipped as reason:
                    tally.skip(place(raw, file, number), str(reason))
        return entries

    def _raw(self, file: str) -> Iterable[tuple[int, object]]:
        try:
            found = read_list(self.export.files, file)
        except Unreadable as error:
            self.report.unread_files.append((file, str(error)))
            return ()
        self.report.entries += len(found)
        return enumerate(found, 1)

    def _voices(self, slack: SlackRoom, entries: list[Entry]) -> Iterable[Author]:
        """Everybody who needs a user: who wrote, who reacted, who belongs to a direct room."""
        for entry in entries:
            yield entry.author
            for _, users in entry.reactions:
                yield from (Author(user, "") for user in users)
        if slack.kind == Room.Kind.DIRECT:
            yield from (Author(member, "") for member in slack.members)

    def _note_address(self, slack: SlackRoom, room: Room) -> None:
        renamed = room.slug.removeprefix(rooms.slug_of(slack)).startswith("-slack")
        if renamed and room.kind == Room.Kind.OPEN:
            self.report.renamed.append((slack.folder, f"/chat/{room.slug}/"))

    def _homeless(self) -> None:
        for file in self.export.homeless:
            for number, raw in self._raw(file):
                self.report.tally.skip(
                    place(raw, file, number), "is in the folder of no room in the lists"
                )


def _names(export: Export) -> Names:
    public = {room.id: room.name for room in export.rooms if room.kind == Room.Kind.OPEN}
    return Names(
        users={person.id: person.display_name for person in export.people.values()},
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
