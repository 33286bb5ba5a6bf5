from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Whoever enters a room is told who moderates it: few of its members, found by themselves."""

    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction; in return chat goes on

    dependencies = [("chat", "0010_membership_read_seq")]

    operations = [
        AddIndexConcurrently(
            model_name="membership",
            index=models.Index(
                fields=["room", "user"],
                name="membership_moderates",
                condition=models.Q(role__in=("moderator", "owner")),
            ),
        ),
    ]
