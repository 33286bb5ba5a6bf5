"""How far people have read: many positions in one statement, which waits for no room's lock.

A room where two hundred read along sends two hundred positions after each message; posts must not
stand in line behind them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chat.commands import Read
from core.statements import Statement, as_json, fetch

if TYPE_CHECKING:
    from chat.actions import Job

# Rows are locked in pk order, so that no two processes wait for each other.
_MARK = Statement(
    "chat_read_marks",
    ["json"],
    """
WITH input AS (
    SELECT * FROM json_to_recordset($1) AS t(n int, room_id bigint, user_id bigint, pos bigint)
), wanted AS (
    SELECT input.room_id, input.user_id, max(least(input.pos, room.head)) AS pos
      FROM input JOIN chat_room room ON room.id = input.room_id
     GROUP BY input.room_id, input.user_id
), locked AS (
    SELECT member.id, wanted.pos
      FROM chat_membership member JOIN wanted USING (room_id, user_id)
     WHERE member.read_pos < wanted.pos
     ORDER BY member.id FOR NO KEY UPDATE OF member
), marked AS (
    UPDATE chat_membership member SET read_pos = greatest(member.read_pos, locked.pos)
      FROM locked WHERE member.id = locked.id
    RETURNING member.id, member.read_pos
)
SELECT input.n, coalesce(marked.read_pos, member.read_pos, 0)
  FROM input
  LEFT JOIN chat_membership member USING (room_id, user_id)
  LEFT JOIN marked ON marked.id = member.id
""",
)


class ReadTo(NamedTuple):
    """The user's read position in the room is now `pos`."""

    pos: int


def mark_all(jobs: Sequence["Job"]) -> list[ReadTo]:
    """Remember how far each user has read; an outcome each, in order.

    A position only moves forward, and not past the room's head.
    """
    marks = []
    for n, (room, user, command) in enumerate(jobs):
        assert isinstance(command, Read)
        marks.append({"n": n, "room_id": room, "user_id": user, "pos": command.pos})
    positions = dict(fetch((_MARK, [as_json(marks)])))
    return [ReadTo(positions[n]) for n in range(len(jobs))]
