"""Whose session a socket came with. Channels' own middleware wraps every `send`; this does not."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import parse_cookie
from django.utils.crypto import constant_time_compare

from core.models import User


def session_key(scope: Any) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie":
            cookies = parse_cookie(value.decode("latin-1"))
            if key := cookies.get(settings.SESSION_COOKIE_NAME):
                return key
    return None


def of_scope(scope: Any) -> User | None:
    """The signed-in user of a socket, checked as Django's `get_user` does; None: nobody."""
    key = session_key(scope)
    if key is None:
        return None
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    if (
        SESSION_KEY not in store
        or store.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS
    ):
        return None
    user = User.objects.filter(pk=store[SESSION_KEY], is_active=True).first()
    if user is None:
        return None
    # A changed password ends the sessions made with the old one.
    known = store.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(known, one) for one in hashes) else None
