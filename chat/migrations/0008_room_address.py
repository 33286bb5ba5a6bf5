import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
LOCK TABLE chat_room IN SHARE ROW EXCLUSIVE MODE;

CREATE FUNCTION chat_room_is_unguessable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'private' AND NEW.slug !~ '^(private|direct)--[a-z0-9]{16,}$' THEN
        IF TG_OP = 'INSERT' THEN
            NEW.slug := 'private--' || replace(gen_random_uuid()::text, '-', '');
        ELSIF OLD.kind <> 'private' OR OLD.slug <> NEW.slug THEN
            NEW.slug := 'private--' || replace(gen_random_uuid()::text, '-', '');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER chat_room_unguessable BEFORE INSERT OR UPDATE OF kind, slug ON chat_room
    FOR EACH ROW EXECUTE FUNCTION chat_room_is_unguessable();

CREATE FUNCTION chat_room_takes_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.slug = NEW.slug THEN
            RETURN NULL;
        END IF;
        IF OLD.message_count = 0 AND OLD.kind = 'open' AND NEW.kind = 'open' THEN
            DELETE FROM chat_address WHERE slug = OLD.slug AND room_id = OLD.id;
        END IF;
    END IF;
    INSERT INTO chat_address AS address (slug, room_id) VALUES (NEW.slug, NEW.id)
        ON CONFLICT (slug) DO UPDATE SET room_id = excluded.room_id
        WHERE address.room_id = excluded.room_id;
    IF NOT FOUND THEN
        RAISE unique_violation USING MESSAGE = 'the address "' || NEW.slug
            || '" is or was that of another room', CONSTRAINT = 'chat_address_pkey';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER chat_room_address AFTER INSERT OR UPDATE OF kind, slug ON chat_room
    FOR EACH ROW EXECUTE FUNCTION chat_room_takes_address();

CREATE FUNCTION chat_room_leaves_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.message_count = 0 AND OLD.kind = 'open' THEN
        DELETE FROM chat_address WHERE slug = OLD.slug AND room_id = OLD.id;
    END IF;
    UPDATE chat_address SET room_id = NULL WHERE room_id = OLD.id;
    RETURN OLD;
END $$;
CREATE TRIGGER chat_room_gone BEFORE DELETE ON chat_room
    FOR EACH ROW EXECUTE FUNCTION chat_room_leaves_address();

INSERT INTO chat_address (slug, room_id) SELECT slug, id FROM chat_room;
"""
BACKWARD = """
DROP TRIGGER chat_room_unguessable ON chat_room;
DROP TRIGGER chat_room_address ON chat_room;
DROP TRIGGER chat_room_gone ON chat_room;
DROP FUNCTION chat_room_is_unguessable();
DROP FUNCTION chat_room_takes_address();
DROP FUNCTION chat_room_leaves_address();
"""


class Migration(migrations.Migration):
    """The address of a room in which something was said is never another room's."""

    dependencies = [("chat", "0007_message_deleted_by")]

    operations = [
        migrations.CreateModel(
            name="Address",
            fields=[
                ("slug", models.CharField(max_length=80, primary_key=True, serialize=False)),
                (
                    "room",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="addresses",
                        to="chat.room",
                    ),
                ),
            ],
            options={"verbose_name_plural": "addresses"},
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
