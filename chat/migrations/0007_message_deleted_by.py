from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Before a person goes, the database looks whether they deleted a message: in the few deleted."""

    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction; in return chat goes on

    dependencies = [("chat", "0006_revision_search")]

    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                fields=["deleted_by"],
                name="message_deleted_by",
                condition=models.Q(deleted_by__isnull=False),
            ),
        ),
    ]
