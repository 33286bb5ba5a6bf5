from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which rooms came into being because somebody entered their address, and since when nobody is
    there: those that nobody wanted go."""

    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction; in return chat goes on

    dependencies = [("chat", "0008_room_address")]

    operations = [
        migrations.AddField(
            model_name="room",
            name="vacant_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        AddIndexConcurrently(
            model_name="room",
            index=models.Index(
                condition=models.Q(("vacant_since__isnull", False)),
                fields=["vacant_since"],
                name="room_vacant",
            ),
        ),
    ]
