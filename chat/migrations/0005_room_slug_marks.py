from django.db import migrations, models

import chat.models.room


class Migration(migrations.Migration):
    """What may be an address is checked by code; the table stays as it is."""

    dependencies = [("chat", "0004_message_deleted")]

    operations = [
        migrations.AlterField(
            model_name="room",
            name="slug",
            field=models.CharField(
                max_length=80, unique=True, validators=[chat.models.room.validate_slug]
            ),
        ),
    ]
