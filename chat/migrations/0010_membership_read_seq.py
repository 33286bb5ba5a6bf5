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
# Rows are locked in pk order, as those who read lock them. No `seq` is above its `pos`, so both
# walks go down the (room, seq) index from where the answer may be, and stop at it.
FILL = """
WITH batch AS (
    SELECT id, room_id, read_pos, joined_at FROM chat_membership
     WHERE id > %s AND read_seq IS NULL ORDER BY id LIMIT %s FOR NO KEY UPDATE
), filled AS (
    UPDATE chat_membership member
       SET read_seq = CASE
               WHEN batch.read_pos >= room.head THEN room.message_count
               WHEN batch.read_pos = 0 THEN coalesce(
                   (SELECT seq FROM chat_message
                     WHERE room_id = room.id AND created_at <= batch.joined_at
                     ORDER BY seq DESC LIMIT 1), 0)
               ELSE coalesce(
                   (SELECT seq FROM chat_message
                     WHERE room_id = room.id AND seq <= batch.read_pos AND pos <= batch.read_pos
                     ORDER BY seq DESC LIMIT 1), 0)
           END
      FROM batch JOIN chat_room room ON room.id = batch.room_id
     WHERE member.id = batch.id
    RETURNING member.id
)
SELECT max(id) FROM filled
"""
END = """
ALTER TABLE chat_membership ALTER COLUMN read_seq SET NOT NULL,
    ADD CONSTRAINT chat_membership_read_seq_check CHECK (read_seq >= 0);
"""
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
    """A batch at a time, each committed by itself: whoever reads meanwhile waits for one only."""
    last: int | None = 0
    with schema_editor.connection.cursor() as cursor:
        while last is not None:
            cursor.execute(FILL, [last, BATCH])
            (last,) = cursor.fetchone()


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
