"""How far people have read: many positions in one statement, which waits for no room's lock.

A room where two hundred read along sends two hundred positions after each message; posts must not
stand in line behind them.
"""

from collections.abc import Sequence

from chat.log.write import ReadTo, Write
from chat.models.membership import join_sql
from chat.protocol.commands import Read
from chat.rooms.permissions import sanctions_sql
from core.database.statements import Statement, as_json, fetch

# Rows are locked in pk order, so that no two processes wait for each other.
_MARK = Statement(
    "chat_read_marks",
    ["json"],
    """
WITH input AS (
    SELECT * FROM json_to_recordset($1) AS t(n int, room_id bigint, user_id bigint, seq bigint)
), wanted AS (
    SELECT input.room_id, input.user_id, max(least(input.seq, room.message_count)) AS seq
      FROM input JOIN chat_room room ON room.id = input.room_id
     GROUP BY input.room_id, input.user_id
), locked AS (
    SELECT member.id, wanted.seq
      FROM chat_membership member JOIN wanted USING (room_id, user_id)
     WHERE member.read_seq < wanted.seq
     ORDER BY member.id FOR NO KEY UPDATE OF member
), marked AS (
    UPDATE chat_membership member SET read_seq = greatest(member.read_seq, locked.seq)
      FROM locked WHERE member.id = locked.id
    RETURNING member.id, member.read_seq
)
SELECT input.n, coalesce(marked.read_seq, member.read_seq, 0)
  FROM input
  LEFT JOIN chat_membership member USING (room_id, user_id)
  LEFT JOIN marked ON marked.id = member.id
""",
)


# Runs before _MARK: makes members of readers who entered while the room was vacant. Nothing of it
# was there before them.
_JOIN = Statement(
    "chat_join_readers",
    ["json"],
    join_sql(f"""
SELECT room.id AS room_id, person.id AS user_id, 0 AS read_seq
  FROM json_to_recordset($1) AS input(room_id bigint, user_id bigint, seq bigint, joins boolean)
  JOIN chat_room room ON room.id = input.room_id
  JOIN core_user person ON person.id = input.user_id
 WHERE input.joins AND input.seq > 0 AND room.kind = 'open' AND room.message_count > 0
   AND person.is_active
   AND 'ban' NOT IN ({sanctions_sql("person.id", "room.id")})
"""),  # noqa: S608 - of our own making
)


def mark_all(writes: Sequence[Write]) -> list[ReadTo]:
    """Remember how far each user has read; an outcome each, in order.

    A position only moves forward, and not past the room's last message.
    """
    marks = []
    for n, (room, user, command, joins) in enumerate(writes):
        assert isinstance(command, Read)
        mark = {"n": n, "room_id": room, "user_id": user, "seq": command.seq, "joins": joins}
        marks.append(mark)
    given = [as_json(marks)]
    join = [(_JOIN, given)] if any(write.joins for write in writes) else []
    positions = dict(fetch(*join, (_MARK, given)))
    return [ReadTo(positions[n]) for n in range(len(writes))]
