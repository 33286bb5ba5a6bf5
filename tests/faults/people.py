"""Accounts with sessions, made in the database directly: an identity that outlives a connection."""

from importlib import import_module

from tests.faults.clients import Person


def make(many: int) -> list[Person]:
    """Needs Django, set up on the database in question; leaves no connection behind."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.db import connection

    from core.models import User

    store = import_module(settings.SESSION_ENGINE).SessionStore
    people = []
    for n in range(many):
        user = User.objects.create_user(username=f"person{n}")
        session = store()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        people.append(Person(user.pk, f"{settings.SESSION_COOKIE_NAME}={session.session_key}"))
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    return people
