"""Reading a room's log: pages of scrollback and catch-up.

Each function is one SQL statement, so the messages, their reactions and the room's head come from
one snapshot: the head that is returned covers exactly the messages that are returned.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from chat.protocol.changes import (
    DELETED,
    EDITED,
    POSTED,
    REACTED,
    Change,
    Kind,
    MessageState,
    Person,
    change_of,
    reactions_of,
)
from core.models import User

# A room's head and, per message, what MessageState needs. A room without messages gives one row
# with an empty message.
_READ = """
SELECT room.head, m.id, m.seq, m.pos, m.client_id, m.author_id,
       {name},
       m.body, m.created_at, m.kind, m.reply_to_id, m.edited_at, m.deleted_at,
       (SELECT jsonb_agg(jsonb_build_array(r.emoji, r.user_id) ORDER BY r.id)
          FROM chat_reaction r WHERE r.message_id = m.id)
  FROM chat_room room
  LEFT JOIN LATERAL (
       SELECT * FROM chat_message WHERE room_id = room.id AND {where}
        ORDER BY {order} LIMIT %(limit)s
       ) m ON true
  LEFT JOIN core_user author ON author.id = m.author_id
 WHERE room.id = %(room)s
 ORDER BY m.{order}
"""
_BEFORE = _READ.format(name=User.name_sql("author"), where="seq < %(before)s", order="seq DESC")
_SINCE = _READ.format(name=User.name_sql("author"), where="pos > %(since)s", order="pos")
_BY_ID = _READ.format(name=User.name_sql("author"), where="id = ANY(%(ids)s)", order="pos")

NEWEST = 2**63 - 1


class Page(NamedTuple):
    """Messages oldest first, whether older ones exist, and the head they are read at."""

    changes: list[Change]
    more: bool
    head: int


class Missed(NamedTuple):
    """What changed after a cursor, in order of `pos`; `complete` is False where it was too much."""

    changes: list[Change]
    complete: bool
    head: int


def page(room: int, *, before: int = NEWEST, limit: int) -> Page:
    """The `limit` messages before `seq` (all: the newest), as they are now."""
    head, changes = _read(_BEFORE, room=room, before=before, limit=limit + 1)
    more = len(changes) > limit
    return Page(changes[:limit][::-1], more, head)


def since(room: int, cursor: int, *, limit: int) -> Missed:
    """Each message that is new or changed after `cursor`, once, in its present state."""
    head, changes = _read(_SINCE, room=room, since=cursor, limit=limit + 1)
    return Missed(changes[:limit], len(changes) <= limit, head)


def states(room: int, ids: Sequence[int]) -> dict[int, MessageState]:
    """The present states of these messages of a room, by id."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_ID, {"room": room, "ids": list(ids), "limit": len(ids)})
        return {row[1]: _state(row) for row in cursor if row[1] is not None}


def heads(rooms: Sequence[int]) -> dict[int, int]:
    """The heads of these rooms, by room."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, head FROM chat_room WHERE id = ANY(%s)", [list(rooms)])
        return dict(cursor.fetchall())


def _read(sql: str, **params: Any) -> tuple[int, list[Change]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    if not rows:  # the room is gone
        return 0, []
    return rows[0][0], [_change(row) for row in rows if row[1] is not None]


def _state(row: Sequence[Any]) -> MessageState:
    (
        _,
        pk,
        seq,
        pos,
        client_id,
        author,
        name,
        body,
        created,
        kind,
        reply_to,
        edited,
        deleted,
        pairs,
    ) = row
    return MessageState(
        id=pk,
        seq=seq,
        pos=pos,
        client_id=client_id,
        user=Person(author, name),
        message=body,
        created=created,
        kind=kind,
        reply_to=reply_to,
        edited=edited,
        deleted=deleted,
        reactions=reactions_of(msgspec.json.decode(pairs) if pairs and not deleted else ()),
    )


def _change(row: Sequence[Any]) -> Change:
    """The frame that a message read back from the database is announced with.

    Catch-up is net: we know the state, not each step. A plain client that shows the text of each
    `chat.message` must not show an edited message as a new one, hence the guess by what is set.
    """
    state = _state(row)
    kind: Kind
    if state.deleted:
        kind = DELETED
    elif state.edited:
        kind = EDITED
    else:
        kind = REACTED if state.reactions else POSTED
    return change_of(kind, state)


def as_seen(change: Change, last_seq: int) -> Change:
    """`change` as it must be announced to somebody who has seen messages up to `last_seq`: if it is
    new, and only then, as a post. One that bears no mark has lost its last reaction."""
    if change.seq > last_seq:
        return change._replace(kind=POSTED)
    return change._replace(kind=REACTED) if change.kind == POSTED else change
