"""The clients' logs held against the database, message by message and state by state."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from django.conf import settings

from tests.faults.clients import Client
from tests.faults.log import Log, Problem

Row = dict[str, Any]
_ONCE: Mapping[tuple[int, str], int] = {}

# Written for this check alone: nothing of the server's own reading is used.
_ROOM = "SELECT id, head, message_count FROM chat_room WHERE slug = %s"
_MESSAGES = """
SELECT id, seq, pos, client_id::text, author_id, body, kind, reply_to_id, created_at, edited_at,
       deleted_at
  FROM chat_message WHERE room_id = %s ORDER BY seq
"""
_REACTIONS = """
SELECT r.message_id, r.emoji, r.user_id
  FROM chat_reaction r JOIN chat_message m ON m.id = r.message_id
 WHERE m.room_id = %s ORDER BY r.id
"""
_REVISIONS = """
SELECT r.message_id, r.kind, r.body
  FROM chat_revision r JOIN chat_message m ON m.id = r.message_id
 WHERE m.room_id = %s ORDER BY r.id
"""
_COLUMNS = [
    "id",
    "seq",
    "pos",
    "client_id",
    "user",
    "message",
    "kind",
    "reply_to",
    "created",
    "edited",
    "deleted",
]


class Truth(NamedTuple):
    """A room as the database has it."""

    head: int
    last_seq: int
    messages: dict[int, Row]
    revisions: list[tuple[int, str, str]]


def truth(url: str, room: str, *, patience: float = 10.0) -> Truth:
    deadline = time.monotonic() + patience
    while True:
        try:
            with psycopg.connect(url, connect_timeout=3, options=_REPEATABLE) as connection:
                return read(connection, room)
        except psycopg.OperationalError:  # it is being restarted
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


_REPEATABLE = "-c default_transaction_isolation=repeatable\\ read"  # all from one snapshot


def read(connection: psycopg.Connection, room: str) -> Truth:
    found = connection.execute(_ROOM, [room]).fetchone()
    if found is None:
        return Truth(0, 0, {}, [])
    pk, head, count = found
    messages = {
        row[0]: dict(zip(_COLUMNS, row, strict=True)) | {"reactions": {}}
        for row in connection.execute(_MESSAGES, [pk])
    }
    for message, emoji, user in connection.execute(_REACTIONS, [pk]):
        messages[message]["reactions"].setdefault(emoji, []).append(user)
    return Truth(head, count, messages, connection.execute(_REVISIONS, [pk]).fetchall())


def check_database(truth: Truth) -> list[Problem]:
    """What the database must hold to by itself: no holes, no doubles."""
    problems = []
    rows = truth.messages.values()
    seqs = [row["seq"] for row in rows]
    if seqs != list(range(1, truth.last_seq + 1)):
        problems.append(Problem("order", f"seq is not 1 to {truth.last_seq}: {seqs}"))
    places = [row["pos"] for row in rows]
    if len(set(places)) != len(places) or max(places, default=0) != truth.head:
        problems.append(Problem("order", f"pos is not distinct up to {truth.head}"))
    tokens = Counter(row["message"].split(maxsplit=1)[0] for row in rows if row["message"])
    problems += [
        Problem("doubled", f"{token} is there {many} times")
        for token, many in tokens.items()
        if many > 1
    ]
    return problems


def check_revisions(truth: Truth, said: Mapping[tuple[int, str], int] = _ONCE) -> list[Problem]:
    """Each edit was applied once: a text was replaced no more often than it was `said`, which is
    once, where people wait for an edit's answer before the next."""
    replaced = Counter((message, body) for message, _, body in truth.revisions)
    return [
        Problem("doubled", f"{text!r} of message {message} was replaced {many} times")
        for (message, text), many in replaced.items()
        if many > max(1, said.get((message, text), 1))
    ]


def check_client(client: Client, truth: Truth) -> list[Problem]:
    """What one client saw and was told, against the room as it is."""
    problems = [*client.log.problems, *client.problems]
    problems += check_resets(client.log, client.first_seen.sizes)
    problems += check_seen(client.log, truth)
    problems += _confirmed(client, truth)
    problems += [Problem("unanswered", f"{command.frame}") for command in client.waiting.values()]
    return [Problem(kind, f"{client.name}: {what}") for kind, what in problems]


def check_resets(log: Log, sizes: Mapping[int, int]) -> Iterable[Problem]:
    """A fresh page is for those who have missed too much: more than may be caught up with, or more
    bytes than half an outbox. `sizes` are those of the room's changes, by `pos`."""
    for cursor, head in log.resets:
        missed = sum(sizes.get(pos, 0) for pos in range(cursor + 1, head + 1))
        if (
            head - cursor <= settings.CHAT_CATCH_UP_MAX
            and missed <= settings.CHAT_OUTBOX_BYTES // 2
        ):
            yield Problem(
                "rules", f"a reset from {cursor} to {head}, which could be caught up with"
            )


def check_seen(log: Log, truth: Truth) -> Iterable[Problem]:
    """What a client that is up to date holds, against what it should."""
    held = log.messages
    for pk, row in truth.messages.items():
        if pk in held:
            if differences := _differences(held[pk], row):
                yield Problem("differing", f"message {pk}: {differences}")
        elif row["seq"] >= log.first_seq:
            yield Problem("missing", f"message {pk}, seq {row['seq']}, pos {row['pos']}")
    for pk in held.keys() - truth.messages.keys():
        yield Problem("lost", f"message {pk} was seen, and is not in the database")


def _differences(mine: Row, row: Row) -> list[str]:
    if row["deleted"]:  # it keeps them, and shows none
        row = row | {"reactions": {}}
    seen = {
        "seq": mine["seq"],
        "pos": mine["pos"],
        "client_id": mine["client_id"],
        "user": mine["user"]["id"],
        "message": mine["message"],
        "kind": mine.get("kind", "text"),
        "reply_to": mine.get("reply_to"),
        "created": _time(mine["created"]),
        "edited": _time(mine.get("edited")),
        "deleted": _time(mine.get("deleted")),
        "reactions": mine.get("reactions", {}),
    }
    wanted = row | ({"reactions": {}} if row["deleted"] else {})  # kept, and shown to nobody
    return [f"{name}: {seen[name]} ≠ {wanted[name]}" for name in seen if seen[name] != wanted[name]]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _confirmed(client: Client, truth: Truth) -> Iterable[Problem]:
    """Whatever was confirmed is there, for good."""
    for client_id, own in client.effects.posts.items():
        row = truth.messages.get(own.id)
        if row is None or (row["seq"], row["user"]) != (own.seq, client.person.id):
            yield Problem("lost", f"{client_id} was confirmed as {own}, and the database has {row}")
        elif bool(row["deleted"]) != own.deleted and not _waits(client, own.id):
            yield Problem("lost", f"deleted is {own.deleted}, and the database has {row}")
        elif not own.deleted and row["message"] != own.text and not _waits(client, own.id):
            yield Problem("lost", f"the text is {own.text!r}, and the database has {row}")
    for (pk, emoji), on in client.effects.reactions.items():
        users = truth.messages[pk]["reactions"].get(emoji, []) if pk in truth.messages else []
        if on != (client.person.id in users) and not _waits(client, pk):
            yield Problem("lost", f"{emoji} on {pk} is {on}, and the database has {users}")


def _waits(client: Client, pk: int) -> bool:
    """An unconfirmed change may be there or not."""
    return any(command.about == pk for command in client.waiting.values())
