"""Reading a room's log: pages of scrollback and catch-up.

Each function is one SQL statement, so the messages, their reactions and the room's head come from
one snapshot: the head that is returned covers exactly the messages that are returned.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from chat.protocol import changes
from chat.protocol.changes import Change, MessageState
from chat.protocol.persons import person
from core.models import User

# A room's head and, per message, what MessageState needs, in its order. A room without messages
# gives one row with an empty message.
_READ = """
SELECT room.head, m.id, m.seq, m.pos, m.client_id, m.author_id,
       {person},
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
_BEFORE = _READ.format(person=User.person_sql("author"), where="seq < %(before)s", order="seq DESC")
_SINCE = _READ.format(person=User.person_sql("author"), where="pos > %(since)s", order="pos")
_BY_ID = _READ.format(person=User.person_sql("author"), where="id = ANY(%(ids)s)", order="pos")

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
    head, found = _read(_BEFORE, room=room, before=before, limit=limit + 1)
    newest_first = [_change(state) for state in found[:limit]]
    return Page(newest_first[::-1], len(found) > limit, head)


def since(room: int, cursor: int, *, limit: int) -> Missed:
    """Each message that is new or changed after `cursor`, once, in its present state."""
    head, found = _read(_SINCE, room=room, since=cursor, limit=limit + 1)
    return Missed([_change(state) for state in found[:limit]], len(found) <= limit, head)


def states(room: int, ids: Sequence[int]) -> dict[int, MessageState]:
    """The present states of these messages of a room, by id."""
    _, found = _read(_BY_ID, room=room, ids=list(ids), limit=len(ids))
    return {state.id: state for state in found}


def heads(rooms: Sequence[int]) -> dict[int, int]:
    """The heads of these rooms, by room."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, head FROM chat_room WHERE id = ANY(%s)", [list(rooms)])
        return dict(cursor.fetchall())


def _read(sql: str, **params: Any) -> tuple[int, list[MessageState]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    if not rows:  # the room is gone
        return 0, []
    return rows[0][0], [_state(row) for row in rows if row[1] is not None]


def _state(row: Sequence[Any]) -> MessageState:
    _, pk, seq, pos, client_id, *author, body, created, kind, reply_to, edited, deleted = row[:-1]
    rest = body, created, kind, reply_to, edited, deleted
    state = MessageState(pk, seq, pos, client_id, person(*author), *rest)
    reactions = row[-1]
    if reactions and not state.deleted:
        state.reactions = changes.reactions_of(msgspec.json.decode(reactions))
    return state


def _change(state: MessageState) -> Change:
    """The frame that a message read back from the database is announced with.

    Catch-up is net: we know the state, not each step. A plain client that shows the text of each
    `chat.message` must not show an edited message as a new one, hence the guess by what is set.
    """
    kind: changes.Kind
    if state.deleted:
        kind = changes.DELETED
    elif state.edited:
        kind = changes.EDITED
    else:
        kind = changes.REACTED if state.reactions else changes.POSTED
    return changes.change_of(kind, state)


def as_seen(change: Change, last_seq: int) -> Change:
    """`change` as it must be announced to somebody who has seen messages up to `last_seq`: if it is
    new, and only then, as a post. One that bears no mark has lost its last reaction."""
    if change.seq > last_seq:
        return change._replace(kind=changes.POSTED)
    return change._replace(kind=changes.REACTED) if change.kind == changes.POSTED else change
