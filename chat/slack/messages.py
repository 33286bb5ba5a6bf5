"""A room's entries as messages: told apart from those that are there, numbered, written in bulk."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from chat.models import Message, Reaction, Room
from chat.models.reaction import EMOJI_MAX
from chat.slack.accounts import SOURCE, Accounts
from chat.slack.bodies import body_of
from chat.slack.emoji import emoji
from chat.slack.entries import Entry, What, client_id
from chat.slack.markup import Names
from chat.slack.report import Tally

_BATCH = 5_000
_COPY = (
    "COPY chat_message (seq, pos, room_id, id, author_id, client_id, kind, body, reply_to_id,"
    " created_at, edited_at, deleted_at) FROM STDIN"
)
Key = tuple[int, uuid.UUID]  # author and client_id: a message's identity in its room


@dataclass
class Draft:
    """An entry on its way to becoming a message."""

    entry: Entry
    author: int
    client_id: uuid.UUID
    pk: int = 0
    reply_to: int | None = None

    @property
    def key(self) -> Key:
        return self.author, self.client_id


@dataclass
class Intake:
    """One room's import, in the caller's transaction; `room` is locked."""

    room: Room
    slack_id: str
    accounts: Accounts
    names: Names
    tally: Tally

    def take(self, entries: list[Entry]) -> list[Entry]:
        """Write those of `entries` (in order) that are new, at the end of the room's log.

        Returns the entries that were written.
        """
        earlier = self._earlier(entries)
        drafts = list(self._fresh(entries, earlier))
        if drafts:
            for draft, pk in zip(drafts, _reserve_pks(len(drafts)), strict=True):
                draft.pk = pk
            self._resolve_replies(drafts, earlier)
            self._copy(drafts)
            self._react(drafts)
        return [draft.entry for draft in drafts]

    def _client_id(self, ts: str) -> uuid.UUID:
        return client_id(self.slack_id, ts)

    def _earlier(self, entries: list[Entry]) -> dict[Key, int]:
        """The messages that earlier imports wrote for these entries and the threads they answer.

        Only messages of imported accounts count: nobody else can claim an entry's place by
        posting under the client_id that it is going to get.
        """
        if not self.room.head:
            return {}
        times = {entry.ts for entry in entries} | {one.thread for one in entries if one.thread}
        wanted = {self._client_id(ts) for ts in times}
        # The whole room once: asking for each would take the index as often as there are entries.
        rows = Message.objects.filter(room=self.room, author__imported__source=SOURCE)
        values = rows.values_list("author_id", "client_id", "pk")
        return {(who, key): pk for who, key, pk in values.iterator(_BATCH) if key in wanted}

    def _fresh(self, entries: list[Entry], earlier: dict[Key, int]) -> Iterator[Draft]:
        oldest = _oldest_kept(self.room)
        seen: set[Key] = set()
        for entry in entries:
            draft = Draft(entry, self.accounts[entry.author.key], self._client_id(entry.ts))
            if draft.key in seen:
                self.tally.skip(entry.where, "comes twice in the export")
            elif draft.key in earlier:
                self.tally.already_there += 1
            elif oldest and entry.created_at < oldest:
                self.tally.skip(entry.where, "is older than the room keeps its messages")
            else:
                yield draft
            seen.add(draft.key)

    def _resolve_replies(self, drafts: list[Draft], earlier: dict[Key, int]) -> None:
        """A thread's first message may be outside the export, or have been skipped."""
        parents = {key: pk for (_, key), pk in earlier.items()}
        for draft in reversed(drafts):  # of two entries at one time the first began the thread
            parents[draft.client_id] = draft.pk
        for draft in drafts:
            if draft.entry.thread is None:
                continue
            draft.reply_to = parents.get(self._client_id(draft.entry.thread))
            if draft.reply_to is None:
                self.tally.remark(
                    draft.entry.where, "answers a message that is not there; it came in alone"
                )
            else:
                self.tally.also("replies to a message")

    def _copy(self, drafts: list[Draft]) -> None:
        """COPY, because INSERT would send every search vector back."""
        seq, pos = self.room.reserve(messages=len(drafts))
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for place, draft in enumerate(drafts):
                copy.write_row((seq + place, pos + place, self.room.pk, *self._values(draft)))

    def _values(self, draft: Draft) -> tuple[object, ...]:
        entry = draft.entry
        body, remarks = body_of(entry, self.names)
        if entry.odd_subtype:
            remarks.append(f"is of the unknown subtype {entry.odd_subtype}; it became a notice")
        for remark in remarks:
            self.tally.remark(entry.where, remark)
        if entry.edited_at:
            self.tally.also("edited")
        is_reply = entry.what is What.MESSAGE and draft.reply_to is not None
        self.tally.became[What.REPLY if is_reply else entry.what] += 1
        # Slack does not tell when a message was deleted.
        deleted_at = entry.created_at if entry.what is What.DELETED else None
        return (
            *(draft.pk, draft.author, draft.client_id, entry.kind.value, body, draft.reply_to),
            *(entry.created_at, entry.edited_at, deleted_at),
        )

    def _react(self, drafts: list[Draft]) -> None:
        reactions = [
            Reaction(message_id=draft.pk, user_id=user, emoji=sign)
            for draft in drafts
            for sign, user in self._reactions_of(draft.entry)
        ]
        Reaction.objects.bulk_create(reactions, batch_size=_BATCH)
        self.tally.also("reactions", len(reactions))

    def _reactions_of(self, entry: Entry) -> list[tuple[str, int]]:
        """(emoji, user), each once; two of Slack's names may mean one emoji."""
        found: dict[str, dict[int, None]] = {}
        for name, users in entry.reactions:
            sign = emoji(name)
            if not name or len(sign) > EMOJI_MAX:
                self.tally.remark(entry.where, "has a reaction without a fitting name; left out")
            elif sign in found or len(found) < Reaction.DISTINCT_MAX:
                found.setdefault(sign, {}).update((self.accounts[user], None) for user in users)
            else:
                self.tally.remark(entry.where, "has too many kinds of reactions; some left out")
        return [(sign, user) for sign, users in found.items() for user in users]


def _oldest_kept(room: Room) -> datetime | None:
    if room.retention_days is None:
        return None
    return timezone.now() - timedelta(days=room.retention_days)


def _reserve_pks(count: int) -> list[int]:
    """Known before writing, so that replies can name them in the same run of rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('chat_message', 'id'))"
            " FROM generate_series(1, %s)",
            [count],
        )
        return [pk for (pk,) in cursor.fetchall()]
