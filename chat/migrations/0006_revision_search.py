from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVector
from django.db import migrations, models


class Migration(migrations.Migration):
    """Moderators search what was deleted, too: its words are in the revisions only."""

    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction; in return chat goes on

    dependencies = [("chat", "0005_room_slug_marks")]

    operations = [
        AddIndexConcurrently(
            model_name="revision",
            index=GinIndex(
                SearchVector("body", config="simple"),
                name="revision_deleted_words",
                condition=models.Q(kind="delete"),
            ),
        ),
    ]
