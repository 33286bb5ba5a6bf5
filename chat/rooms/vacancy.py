"""Rooms nobody wanted: somebody has entered a free address, and nothing was said there.

Such a room goes when it has been empty for a day. It stays where somebody says something, or makes
something of it: a title, a member, a sanction, an archive.
"""

from collections.abc import Collection
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

EMPTY_FOR = timedelta(days=1)
NOTED_EVERY = timedelta(minutes=10)  # that somebody is there
AT_ONCE = 500  # rooms a transaction

# Under their locks: a post waits for them, or they are passed over.
_DUE = """
SELECT id FROM chat_room WHERE vacant_since < %s
 ORDER BY vacant_since LIMIT %s FOR UPDATE SKIP LOCKED
"""
# In a statement of its own, which sees what was committed before the locks. From there on nobody
# can refer to them.
_REMOVE = """
WITH unwanted AS (
    SELECT id FROM chat_room room
     WHERE id = ANY(%(due)s) AND message_count = 0 AND kind = 'open' AND NOT is_archived
       AND title = '' AND topic = '' AND slow_mode_seconds = 0
       AND NOT EXISTS (SELECT FROM chat_membership WHERE room_id = room.id)
       AND NOT EXISTS (SELECT FROM chat_sanction WHERE room_id = room.id)
       AND NOT EXISTS (SELECT FROM chat_imported WHERE room_id = room.id)
), wanted AS (
    UPDATE chat_room SET vacant_since = NULL
     WHERE id = ANY(%(due)s) AND id NOT IN (SELECT id FROM unwanted)
)
DELETE FROM chat_room WHERE id IN (SELECT id FROM unwanted)
"""
# Rows that another process is just writing are skipped: it writes the same.
_NOTE = """
UPDATE chat_room SET vacant_since = now()
 WHERE id IN (
       SELECT id FROM chat_room
        WHERE id = ANY(%s) AND message_count = 0
          AND vacant_since < now() - make_interval(secs => %s)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
"""
_WANT = "UPDATE chat_room SET vacant_since = NULL WHERE id = %s AND vacant_since IS NOT NULL"


def note_people(rooms: Collection[int]) -> None:
    """Somebody is in each of these rooms; those that are not vacant don't mind."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [list(rooms), NOTED_EVERY.total_seconds()])


def want(room: int) -> None:
    """Somebody makes something of this room: it stays, and is in the lists."""
    with connection.cursor() as cursor:
        cursor.execute(_WANT, [room])


def remove(most: int) -> tuple[int, int]:
    """Remove at most so many rooms that are due, in one transaction. Returns how many were looked
    at, and how many of those went: where the first is less than `most`, there are no more."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DUE, [timezone.now() - EMPTY_FOR, most])
        due = [pk for (pk,) in cursor.fetchall()]
        if not due:
            return 0, 0
        cursor.execute(_REMOVE, {"due": due})
        return len(due), cursor.rowcount
