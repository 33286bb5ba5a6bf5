from django.db import migrations

FORWARD = """
CREATE FUNCTION chat_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are append only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER chat_auditentry_append_only BEFORE UPDATE OR DELETE ON chat_auditentry
    FOR EACH ROW EXECUTE FUNCTION chat_audit_is_append_only();
"""
BACKWARD = """
DROP TRIGGER chat_auditentry_append_only ON chat_auditentry;
DROP FUNCTION chat_audit_is_append_only();
"""


class Migration(migrations.Migration):
    """The audit log cannot be rewritten, not even by code that goes round the model."""

    dependencies = [("chat", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
