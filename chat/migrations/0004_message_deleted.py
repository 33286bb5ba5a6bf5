from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Moderators list what was deleted: a handful among a million, in an index of their own."""

    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction; in return chat goes on

    dependencies = [("chat", "0003_imported")]

    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                fields=["deleted_at"],
                name="message_deleted",
                condition=models.Q(deleted_at__isnull=False),
            ),
        ),
    ]
