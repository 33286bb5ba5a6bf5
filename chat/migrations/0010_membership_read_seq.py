from typing import Any

from django.db import migrations, models

BATCH = 1_000  # memberships in one transaction

# Once more is no harm: it may have been interrupted.
BEGIN = """
ALTER TABLE chat_membership ALTER COLUMN read_pos SET DEFAULT 0;
ALTER TABLE chat_membership ADD COLUMN IF NOT EXISTS read_seq bigint DEFAULT NULL;

CREATE OR REPLACE FUNCTION chat_membership_has_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.read_seq IS NULL THEN
        NEW.read_seq := coalesce(
            (SELECT message_count FROM chat_room WHERE id = NEW.room_id), 0);
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER chat_membership_read BEFORE INSERT ON chat_membership
    FOR EACH ROW EXECUTE FUNCTION chat_membership_has_read();
"""
# Most people have read all. Rows are locked in pk order, as those who read lock them.
FILL_ALL = """
WITH batch AS (
    SELECT id, room_id, read_pos FROM chat_membership
     WHERE id > %s ORDER BY id LIMIT %s FOR NO KEY UPDATE
), filled AS (
    UPDATE chat_membership member SET read_seq = room.message_count
      FROM batch JOIN chat_room room ON room.id = batch.room_id
     WHERE member.id = batch.id AND member.read_seq IS NULL AND batch.read_pos >= room.head
)
SELECT max(id) FROM batch
"""
OTHERS = "SELECT DISTINCT room_id FROM chat_membership WHERE read_seq IS NULL ORDER BY room_id"
# The room's messages and what of them was read stand in one row, by {place}: the last message before
# one is the highest so far. One pass, however many people there are; a look for each would walk over
# all that has changed since.
FILL_ROOM = """
WITH locked AS (
    SELECT id, {read} AS place FROM chat_membership
     WHERE room_id = %(room)s AND read_seq IS NULL AND {whose} ORDER BY id FOR NO KEY UPDATE
), places AS (
    SELECT {place} AS place, seq, NULL AS id FROM chat_message
     WHERE room_id = %(room)s AND EXISTS (SELECT FROM locked)
     UNION ALL
    SELECT place, NULL, id FROM locked
), reading AS (
    SELECT id, max(seq) OVER (ORDER BY place, id NULLS FIRST) AS seq FROM places
)
UPDATE chat_membership member SET read_seq = coalesce(reading.seq, 0)
  FROM reading WHERE member.id = reading.id
"""
FILL_SOME = FILL_ROOM.format(read="read_pos", place="pos", whose="read_pos > 0")
# Who has read nothing has what was said before they came as read.
FILL_NONE = FILL_ROOM.format(read="joined_at", place="created_at", whose="read_pos = 0")
# Each by itself: only VALIDATE reads the table, and it hinders nobody. With a check that is valid, SET
# NOT NULL need not read it.
END = [
    "ALTER TABLE chat_membership DROP CONSTRAINT IF EXISTS chat_membership_read_seq_given,"
    " DROP CONSTRAINT IF EXISTS chat_membership_read_seq_check",
    "ALTER TABLE chat_membership"
    " ADD CONSTRAINT chat_membership_read_seq_given CHECK (read_seq IS NOT NULL) NOT VALID,"
    " ADD CONSTRAINT chat_membership_read_seq_check CHECK (read_seq >= 0) NOT VALID",
    "ALTER TABLE chat_membership VALIDATE CONSTRAINT chat_membership_read_seq_given",
    "ALTER TABLE chat_membership VALIDATE CONSTRAINT chat_membership_read_seq_check",
    "ALTER TABLE chat_membership ALTER COLUMN read_seq SET NOT NULL,"
    " DROP CONSTRAINT chat_membership_read_seq_given",
]
BACKWARD = """
UPDATE chat_membership member SET read_pos = greatest(
    member.read_pos,
    CASE WHEN member.read_seq >= room.message_count THEN room.head ELSE member.read_seq END)
  FROM chat_room room WHERE room.id = member.room_id;
DROP TRIGGER chat_membership_read ON chat_membership;
DROP FUNCTION chat_membership_has_read();
ALTER TABLE chat_membership DROP COLUMN read_seq;
ALTER TABLE chat_membership ALTER COLUMN read_pos DROP DEFAULT;
"""


def fill(apps: Any, schema_editor: Any) -> None:
    """A thousand at a time, and then a room at a time, each committed by itself: whoever reads
    meanwhile waits for one of these only."""
    last: int | None = 0
    with schema_editor.connection.cursor() as cursor:
        while last is not None:
            cursor.execute(FILL_ALL, [last, BATCH])
            (last,) = cursor.fetchone()
        cursor.execute(OTHERS)
        for (room,) in cursor.fetchall():
            for statement in (FILL_SOME, FILL_NONE):
                cursor.execute(statement, {"room": room})


class Migration(migrations.Migration):
    """How far somebody has read is a message's place, not a change's: an edit or a reaction is no
    news. The column read_pos stays for servers of before, and goes with a later release."""

    atomic = False  # each batch commits by itself

    dependencies = [("chat", "0009_room_vacant")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(BEGIN, BACKWARD),
                migrations.RunPython(fill, migrations.RunPython.noop),
                migrations.RunSQL(END, migrations.RunSQL.noop),
            ],
            state_operations=[
                migrations.RemoveField(model_name="membership", name="read_pos"),
                migrations.AddField(
                    model_name="membership",
                    name="read_seq",
                    field=models.PositiveBigIntegerField(db_default=models.Value(None)),
                ),
            ],
        ),
    ]
