"""What becomes of read positions where a database from before `read_seq` is migrated."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support import databases
from tests.support.databases import manage

# `quiet`: 1 2 3 posted, then 1 edited (pos 4), then 4 posted (pos 5).
BEFORE = """
INSERT INTO core_user (username, display_name, password, email, first_name, last_name,
                       is_superuser, is_staff, is_active, is_guest, is_invisible, date_joined)
    SELECT name, '', '', '', '', '', false, false, true, false, false, now()
      FROM unnest(string_to_array('author none come one edit most all', ' ')) name;
INSERT INTO chat_room (slug, title, topic, kind, head, message_count, is_archived,
                       slow_mode_seconds, created_at)
    VALUES ('quiet', '', '', 'open', 5, 4, false, 0, now());
INSERT INTO chat_message (room_id, seq, pos, author_id, client_id, kind, body, created_at)
    SELECT room.id, seq, pos, author.id, gen_random_uuid(), 'text', 'hello',
           timestamptz '2026-11-01' + (seq - 1) * interval '1 day'
      FROM chat_room room, core_user author, (VALUES (1, 4), (2, 2), (3, 3), (4, 5)) said(seq, pos)
     WHERE slug = 'quiet' AND username = 'author';
INSERT INTO chat_membership (room_id, user_id, role, read_pos, notify, joined_at)
    SELECT room.id, person.id, 'member', read_pos, 'all', joined
      FROM chat_room room, core_user person,
           (VALUES ('none', 0, timestamptz '2026-10-01'), ('come', 0, '2026-11-03'),
                   ('one', 1, '2026-11-01'), ('edit', 4, '2026-11-01'),
                   ('most', 3, '2026-11-01'), ('all', 5, '2026-11-01'))
           read(name, read_pos, joined)
     WHERE slug = 'quiet' AND username = name;
"""
OLD_CODE_JOINS = """
INSERT INTO chat_membership (room_id, user_id, role, read_pos, notify, joined_at)
    SELECT room.id, author.id, 'member', 0, 'all', now()
      FROM chat_room room, core_user author WHERE slug = 'quiet' AND username = 'author'
RETURNING read_seq
"""
POSITIONS = """
SELECT username, {} FROM chat_membership JOIN core_user person ON person.id = user_id
"""


@pytest.fixture
def database(migrated_database: str) -> Iterator[str]:
    with databases.copied(migrated_database) as url:
        manage("migrate", "chat", "0009", "--verbosity=0", env={"DATABASE_URL": url})
        yield url


def test_what_was_read_stays_read_and_old_code_goes_on(database: str) -> None:
    """Starts `manage.py migrate` four times, there and back."""

    def migrate(to: str) -> None:
        manage("migrate", "chat", to, "--verbosity=0", env={"DATABASE_URL": database})

    with psycopg.connect(database, autocommit=True) as connection:

        def positions(column: str) -> dict[str, int]:
            return dict(connection.execute(POSITIONS.format(column)).fetchall())

        connection.execute(BEFORE)
        migrate("0010")
        # `one` had read message 1, which was edited since: no place says any more that it was
        # posted before that. `none` never came; `come` did after the third.
        expected = {"none": 0, "come": 3, "one": 0, "edit": 3, "most": 3, "all": 4}
        assert positions("read_seq") == expected
        # processes of before: they join, read the column and write it
        assert connection.execute(OLD_CODE_JOINS).fetchone() == (4,)
        connection.execute("UPDATE chat_membership SET read_pos = 5")
        assert positions("read_seq") == expected | {"author": 4}
        # new ones, which do not know it
        connection.execute("DELETE FROM chat_membership WHERE read_seq = 0")
        connection.execute(
            OLD_CODE_JOINS.replace("read_pos", "read_seq").replace("author'", "one'")
        )
        assert positions("read_pos")["one"] == 0
        migrate("0009")
        assert positions("read_pos") == {
            "come": 5,
            "edit": 5,
            "most": 5,
            "all": 5,
            "author": 5,
            "one": 0,
        }
        migrate("0010")


def test_one_that_was_interrupted_is_run_once_more(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(BEFORE)
        connection.execute("ALTER TABLE chat_membership ADD COLUMN read_seq bigint DEFAULT NULL")
        connection.execute("UPDATE chat_membership SET read_seq = 4 WHERE read_pos = 5")
        manage("migrate", "chat", "0010", "--verbosity=0", env={"DATABASE_URL": database})
        left = connection.execute("SELECT count(*) FROM chat_membership WHERE read_seq IS NULL")
        assert left.fetchone() == (0,)
