"""Many posts to many rooms in one statement: judge, number, insert, count up.

Everything that a post depends on is judged inside the transaction that writes it, under the rooms'
row locks, so that a ban or an archive that has committed is never overtaken by a message.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from chat.log.write import Write
from chat.models import Membership
from chat.models.membership import join_sql
from chat.protocol.changes import POSTED, Change, MessageState, change_of
from chat.protocol.commands import Post
from chat.protocol.errors import Gone, Refused
from chat.protocol.persons import person
from chat.rooms import permissions
from core.database.statements import Statement, as_json, fetch
from core.models import User
from core.visible import can_be_seen

# Rooms are locked in pk order, so that no two batches wait for each other; and in a statement of
# their own, because one statement's snapshot is older than the locks that it waits for.
_LOCK = Statement(
    "chat_lock_rooms",
    ["bigint[]"],
    "SELECT id FROM chat_room WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
)

# Its plan is kept. `LATERAL … LIMIT 1` makes each look-up one walk down an index, whatever the
# tables were like when it was planned: in a young database a join would read all messages.
_SQL = """
WITH input AS (
    SELECT * FROM json_to_recordset($1)
        AS t(n int, room_id bigint, author_id bigint, client_id uuid, kind text, body text,
             reply_to_id bigint{joins})
), weighed AS (
    SELECT input.*, author.username, author.display_name, author.is_staff, author.is_superuser,
           author.is_guest,
           earlier.id AS earlier_id,
           least(ceil(extract(epoch FROM slow.until - now())), room.slow_mode_seconds)::float
               AS wait,
           CASE
               WHEN room.id IS NULL THEN 'gone'
               WHEN author.id IS NULL OR NOT author.is_active THEN 'forbidden'
               WHEN sanction.banned OR NOT {is_theirs} THEN 'forbidden'
               WHEN earlier.id IS NOT NULL THEN 'earlier'
               WHEN room.is_archived THEN 'archived'
               WHEN sanction.muted THEN 'muted'
               WHEN slow.until > now() THEN 'slow_mode'
               WHEN input.reply_to_id IS NOT NULL
                    AND answered.room_id IS DISTINCT FROM input.room_id THEN 'not_found'
           END AS objection,
           room.slow_mode_seconds > 0 AND NOT moderates.it AS slowly
      FROM input
      LEFT JOIN LATERAL (SELECT * FROM chat_room r WHERE r.id = input.room_id LIMIT 1) room ON true
      LEFT JOIN LATERAL (
          SELECT * FROM core_user u WHERE u.id = input.author_id LIMIT 1) author ON true
      LEFT JOIN LATERAL (
          SELECT m.id, m.role FROM chat_membership m
           WHERE m.room_id = input.room_id AND m.user_id = input.author_id
             AND (room.kind <> 'open' OR room.slow_mode_seconds > 0) LIMIT 1) member ON true
      LEFT JOIN LATERAL (
          SELECT m.id FROM chat_message m
           WHERE m.room_id = input.room_id AND m.author_id = input.author_id
             AND m.client_id = input.client_id LIMIT 1) earlier ON true
      LEFT JOIN LATERAL (
          SELECT m.room_id FROM chat_message m
           WHERE m.id = input.reply_to_id LIMIT 1) answered ON true
      LEFT JOIN LATERAL (
          SELECT bool_or(kind = 'ban') AS banned, bool_or(kind = 'mute') AS muted
            FROM ({sanctions}) in_force) sanction ON true
      CROSS JOIN LATERAL (
          SELECT coalesce(member.role IN ({moderates}), false) AS it) moderates
      LEFT JOIN LATERAL (
          SELECT mine.created_at + make_interval(secs => room.slow_mode_seconds) AS until
            FROM chat_message mine
           WHERE room.slow_mode_seconds > 0 AND NOT moderates.it
             AND mine.author_id = input.author_id AND mine.room_id = input.room_id
           ORDER BY mine.id DESC LIMIT 1) slow ON true
), judged AS (
    -- Of what one person sends at once, slow mode takes the first that may be written.
    SELECT weighed.*,
           CASE WHEN objection IS NULL AND slowly AND row_number() OVER (
                     PARTITION BY room_id, author_id, objection IS NULL ORDER BY n) > 1
                THEN 'slow_mode' ELSE objection END AS verdict
      FROM weighed
), placed AS (
    SELECT judged.*, row_number() OVER (PARTITION BY room_id ORDER BY n) AS place
      FROM judged WHERE verdict IS NULL
), advanced AS (
    UPDATE chat_room room
       SET message_count = message_count + fresh.many, head = head + fresh.many{wanted}
      FROM (SELECT room_id, count(*) AS many FROM placed GROUP BY room_id) fresh
     WHERE room.id = fresh.room_id
    RETURNING room.id, room.message_count - fresh.many AS seq, room.head - fresh.many AS pos
), written AS (
    INSERT INTO chat_message
           (room_id, seq, pos, author_id, client_id, kind, body, reply_to_id, created_at)
    SELECT placed.room_id, advanced.seq + place, advanced.pos + place, author_id, client_id,
           kind, body, reply_to_id, clock_timestamp() -- now() is from before the locks
      FROM placed JOIN advanced ON advanced.id = placed.room_id
     ORDER BY n
    RETURNING id, room_id, seq, pos, author_id, client_id, created_at
){joined}
SELECT judged.n, judged.verdict, judged.earlier_id, judged.wait,
       {person},
       written.id, written.seq, written.pos, written.created_at
  FROM judged
  LEFT JOIN written ON judged.verdict IS NULL AND written.room_id = judged.room_id
        AND written.author_id = judged.author_id AND written.client_id = judged.client_id
"""
_JUDGED = {
    "sanctions": permissions.sanctions_sql("input.author_id", "input.room_id"),
    "is_theirs": permissions.IS_THEIRS_SQL,
    "moderates": ", ".join(f"'{role}'" for role in Membership.MODERATES),
    "person": User.person_sql("judged"),
}
_JOINING = "SELECT room_id, author_id AS user_id, 0 AS read_seq FROM placed WHERE joins"
_POST = Statement("chat_post", ["json"], _SQL.format(joins="", wanted="", joined="", **_JUDGED))
# Where somebody writes who is no member yet, as in a room in which nothing was said before: it is
# wanted now, and nothing of it was there before them. A statement of its own, since members are
# most, and need none of it.
_POST_AND_JOIN = Statement(
    "chat_post_and_join",
    ["json"],
    _SQL.format(
        joins=", joins boolean",
        wanted=", vacant_since = NULL",
        joined=f", joined AS ({join_sql(_JOINING)})",
        **_JUDGED,
    ),
)

POST_REFUSALS = {
    "forbidden": "You cannot post in this room.",
    **permissions.REFUSALS,
    "slow_mode": "This room is in slow mode. Wait before you send another message.",
    "not_found": "The message you are replying to is not in this room.",
}


def post_all(writes: Sequence[Write]) -> list[Change | Refused | int]:
    """Write the posts among `writes` (all must be); an outcome each, in order.

    A post whose `client_id` its author has used in the room before gives that message's id. Opens
    a transaction of its own unless one is open.
    """
    if not writes:
        return []
    first: dict[tuple[int, int, UUID], int] = {}
    for n, write in enumerate(writes):
        assert isinstance(write.command, Post)
        first.setdefault((write.room, write.user, write.command.client_id), n)
    written = _write(writes, sorted(first.values()))
    outcomes: list[Change | Refused | int] = []
    for n, write in enumerate(writes):
        assert isinstance(write.command, Post)
        # The same message twice in one batch: the second is answered with the first.
        original = first[write.room, write.user, write.command.client_id]
        outcome = _outcome(write, written[original])
        if original != n and isinstance(outcome, Change):
            outcome = outcome.id
        outcomes.append(outcome)
    return outcomes


def _write(writes: Sequence[Write], picked: Sequence[int]) -> dict[int, Sequence[Any]]:
    posts = []
    statement = _POST
    for n in picked:
        room, author, command, joins = writes[n]
        assert isinstance(command, Post)
        kind, body = as_kind(command.message)
        posts.append(
            {
                "n": n,
                "room_id": room,
                "author_id": author,
                "client_id": command.client_id,
                "kind": kind,
                "body": body,
                "reply_to_id": command.reply_to,
                "joins": joins,  # read by that statement only
            }
        )
        if joins:
            statement = _POST_AND_JOIN
    lock = [] if connection.in_atomic_block else [(_LOCK, [_ids({writes[n].room for n in picked})])]
    rows = fetch(*lock, (statement, [as_json(posts)]))
    return {row[0]: row[1:] for row in rows}


def _ids(rooms: Collection[int]) -> str:
    """As PostgreSQL writes an array."""
    return f"{{{','.join(map(str, sorted(rooms)))}}}"


def _outcome(write: Write, row: Sequence[Any]) -> Change | Refused | int:
    verdict, earlier, wait, *author, pk, seq, pos, created = row
    if verdict == "earlier":
        return int(earlier)
    if verdict == "gone":
        return Gone()
    if verdict is not None:
        return Refused(verdict, POST_REFUSALS[verdict], wait if verdict == "slow_mode" else None)
    command = write.command
    assert isinstance(command, Post)
    kind, body = as_kind(command.message)
    sender, reply_to = person(write.user, *author), command.reply_to
    state = MessageState(pk, seq, pos, command.client_id, sender, body, created, kind, reply_to)
    return change_of(POSTED, state)


def as_kind(text: str) -> tuple[str, str]:
    """A message that begins with "/me " is an action; anything else is said as it stands."""
    if text.startswith("/me ") and can_be_seen(text[4:]):
        return "action", text[4:].strip()
    return "text", text
