from django.db import migrations

# Not a model: `manage.py flush` and the tests' clean-up empty the tables of models, and this row is
# the database's own, like its name.
FORWARD = """
CREATE TABLE core_installation (
    id smallint PRIMARY KEY DEFAULT 1 CONSTRAINT core_installation_one_row CHECK (id = 1),
    uuid uuid NOT NULL
);
INSERT INTO core_installation (uuid) VALUES (gen_random_uuid());
"""


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_user_presence"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, "DROP TABLE core_installation"),
    ]
