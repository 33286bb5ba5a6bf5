from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Slow mode asks when somebody last edited something."""

    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction; in return chat goes on

    dependencies = [("chat", "0011_membership_moderates")]

    operations = [
        AddIndexConcurrently(
            model_name="revision",
            index=models.Index(
                fields=["by", "-created_at"],
                name="revision_edits",
                condition=models.Q(kind="edit"),
            ),
        ),
    ]
