"""A room's entries as messages: told apart from those that are there, numbered, written in bulk."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, reset_queries
from django.utils import timezone

from chat.models import Message, Reaction, Room
from chat.models.reaction import EMOJI_MAX
from chat.slack.accounts import SOURCE, Accounts
from chat.slack.bodies import body_of
from chat.slack.emoji import emoji
from chat.slack.entries import Entry, What
from chat.slack.index import Fate, Index, Numbers, Plan
from chat.slack.markup import Names
from chat.slack.tally import Tally
from chat.slack.values import micros_of

_BATCH = 1_000
_COPY = (
    "COPY chat_message (seq, pos, room_id, id, author_id, client_id, kind, body, reply_to_id,"
    " created_at, edited_at, deleted_at) FROM STDIN"
)
# By the unique index of author and client_id.
_HERE = (
    "SELECT wanted.number, message.id FROM unnest(%s::bigint[], %s::bigint[], %s::uuid[])"
    " AS wanted (number, author_id, client_id) JOIN chat_message message ON message.room_id = %s"
    " AND message.author_id = wanted.author_id AND message.client_id = wanted.client_id"
)
_WHY_NOT = {
    Fate.TWICE: "comes twice in the export",
    Fate.TOO_OLD: "is older than the room keeps its messages",
}


@dataclass
class Intake:
    """One room's import, in the caller's transaction; `room` is locked."""

    room: Room
    index: Index
    accounts: Accounts
    names: Names
    tally: Tally
    done: Callable[[int], object]  # told of entries that are dealt with

    def __post_init__(self) -> None:
        users, order = self.index.users(self.accounts), self.index.in_order()
        self.plan = Plan(self.index, users, order, self._here(users, order), _oldest(self.room))
        self._pks = Message.objects.reserve_ids(self.plan.count)
        self._parents = self._earlier_parents() | self.plan.parents(self._pks)

    def take(self, entries: Iterable[Entry]) -> None:
        """Write those of `entries` that are new, at the end of the room's log. `entries` are
        those of the index, in its order; raises RuntimeError where they are others by now."""
        first = self.room.reserve(messages=self.plan.count) if self.plan.count else (0, 0)
        numbered = enumerate(entries)
        total = 0
        while count := self._take_some(numbered, *first):
            total += count
            self.done(count)
            reset_queries()  # kept with DEBUG
        if total != len(self.index):
            raise RuntimeError("its files changed while they were read")

    def _take_some(self, numbered: Iterator[tuple[int, Entry]], seq: int, pos: int) -> int:
        """One run of rows. No entry is kept: some are large. Returns how many were looked at."""
        count = 0
        reactions: list[Reaction] = []
        # COPY, because INSERT would send every search vector back.
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for number, entry in numbered:
                count += 1
                if number >= len(self.index) or self.index.times[number] != entry.micros:
                    raise RuntimeError("its files changed while they were read")
                if self._is_new(number, entry):
                    rank = self.plan.ranks[number]
                    row = (seq + rank, pos + rank, self.room.pk, *self._values(number, entry))
                    copy.write_row(row)
                    reactions += self._reactions_of(entry, self._pks[rank])
                if max(count, len(reactions)) >= _BATCH:
                    break
        Reaction.objects.bulk_create(reactions, batch_size=_BATCH)
        self.tally.extras["reactions"] += len(reactions)
        return count

    def _is_new(self, number: int, entry: Entry) -> bool:
        fate = Fate(self.plan.fates[number])
        if fate is Fate.HERE:
            self.tally.already_there += 1
        elif fate is not Fate.NEW:
            self.tally.skipped[_WHY_NOT[fate]].add(entry.where)
        return fate is Fate.NEW

    def _here(self, users: Numbers, order: list[int]) -> Numbers:
        """Of each entry the primary key of the message that an earlier import wrote, or 0.

        Only messages of imported accounts count: nobody else can claim an entry's place by
        posting under the client_id that it is going to get.
        """
        found = array("q", bytes(8 * len(order)))
        if not self.room.head:
            return found
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            ids = [self.index.client_id(number) for number in part]
            with connection.cursor() as cursor:
                authors = [users[number] for number in part]
                cursor.execute(_HERE, [part, authors, ids, self.room.pk])
                for number, pk in cursor:
                    found[number] = pk
            reset_queries()
        return found

    def _earlier_parents(self) -> dict[int, int]:
        """Time → message, of threads that began in an earlier export."""
        if not self.room.head:
            return {}
        times = set(self.index.threads) - set(self.index.times) - {-1}
        wanted = {self.index.client_id_at(time): time for time in times}
        rows = Message.objects.filter(room=self.room, author__imported__source=SOURCE)
        # The whole room once: no index finds them without their authors.
        values = rows.values_list("client_id", "pk") if wanted else ()
        return {wanted[key]: pk for key, pk in values if key in wanted}

    def _values(self, number: int, entry: Entry) -> tuple[object, ...]:
        body = body_of(entry, self.names, self.index.room_id)
        reply_to = self._reply_to(entry)
        for remark in body.remarks:
            self.tally.remark(entry.where, remark)
        if entry.odd_subtype:
            self.tally.remark(
                entry.where, f"is of the unknown subtype {entry.odd_subtype}; it became a notice"
            )
        self.tally.left.update(body.left)
        if entry.edited_at:
            self.tally.extras["edited"] += 1
        is_reply = entry.what is What.MESSAGE and reply_to is not None
        self.tally.became[What.REPLY if is_reply else entry.what] += 1
        # Slack does not tell when a message was deleted.
        deleted_at = entry.created_at if entry.what is What.DELETED else None
        return (
            *(self._pks[self.plan.ranks[number]], self.plan.users[number]),
            *(self.index.client_id(number), entry.kind.value, body.text, reply_to),
            *(entry.created_at, entry.edited_at, deleted_at),
        )

    def _reply_to(self, entry: Entry) -> int | None:
        """A thread's first message may be outside the export, or have been skipped."""
        if entry.thread is None:
            return None
        if parent := self._parents.get(micros_of(entry.thread)):
            self.tally.extras["replies to a message"] += 1
        else:
            self.tally.remark(entry.where, "answers a message that is not there; it came in alone")
        return parent

    def _reactions_of(self, entry: Entry, message: int) -> list[Reaction]:
        """Each once; two of Slack's names may mean one emoji."""
        found: dict[str, dict[int, None]] = {}
        for name, users in entry.reactions:
            sign = emoji(name)
            if not name or len(sign) > EMOJI_MAX:
                self.tally.remark(entry.where, "has a reaction without a fitting name; left out")
            elif sign in found or len(found) < Reaction.DISTINCT_MAX:
                found.setdefault(sign, {}).update((self.accounts[user], None) for user in users)
            else:
                self.tally.remark(entry.where, "has too many kinds of reactions; some left out")
        reactions = [
            Reaction(message_id=message, user_id=user, emoji=sign)
            for sign, users in found.items()
            for user in users
        ]
        if len(reactions) > Reaction.ALL_MAX:
            self.tally.remark(entry.where, "has too many reactions; some left out")
        return reactions[: Reaction.ALL_MAX]


def _oldest(room: Room) -> int:
    """Microseconds since 1970 from which on the room keeps its messages."""
    if room.retention_days is None:
        return 0
    return int((timezone.now() - timedelta(days=room.retention_days)).timestamp() * 1_000_000)
