"""What the load needs in the database: people with sessions, and rooms of a known size.

`python -m bench.prepare USERS SIZE…` prints, as JSON, a session cookie for each user and the slugs
of rooms with so many messages. It runs in a process of its own, since it needs Django.
"""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.base import VALID_KEY_CHARS  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.utils.crypto import get_random_string  # noqa: E402

from chat.models import Room  # noqa: E402
from core.models import User  # noqa: E402

FILL = """
INSERT INTO chat_message (room_id, seq, pos, author_id, client_id, kind, body, created_at)
SELECT %(room)s, n, n, %(author)s, gen_random_uuid(), 'text',
       'message number ' || n || ' of a long conversation',
       now() - make_interval(secs => %(size)s - n)
  FROM generate_series(1, %(size)s) n
"""


def cookies(count: int) -> list[str]:
    """A user each, signed in."""
    people = [User(username=f"bench-{n}") for n in range(count)]
    User.objects.bulk_create(people, ignore_conflicts=True)
    people = list(User.objects.filter(username__startswith="bench-").order_by("pk")[:count])
    store = SessionStore()
    sessions = []
    for user in people:
        data = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        expires = timezone.now() + timedelta(days=1)
        key = get_random_string(32, VALID_KEY_CHARS)
        sessions.append(
            Session(session_key=key, session_data=store.encode(data), expire_date=expires)
        )
    Session.objects.bulk_create(sessions)
    return [f"{settings.SESSION_COOKIE_NAME}={session.session_key}" for session in sessions]


def room_of(size: int) -> str:
    room, _ = Room.objects.get_or_create(slug=f"size-{size}")
    if room.message_count == 0:
        author = User.objects.order_by("pk").first()
        assert author is not None
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"room": room.pk, "author": author.pk, "size": size})
        Room.objects.filter(pk=room.pk).update(head=size, message_count=size)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) chat_message")
    return room.slug


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    users, *sizes = map(int, sys.argv[1:])
    print(json.dumps({"cookies": cookies(users), "rooms": [room_of(size) for size in sizes]}))
