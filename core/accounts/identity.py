"""Whose session a socket came with. Channels' own middleware wraps every `send`; this does not."""

from hashlib import sha256
from importlib import import_module
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import parse_cookie
from django.utils.crypto import constant_time_compare

from core.accounts import former_cookies
from core.models import User


class Claim(NamedTuple):
    """What a session says: whose it is, and a hash of the password that it was made with."""

    user: int
    password: str

    def holds_for(self, user: User) -> bool:
        """As Django's `get_user` has it: a changed password ends the sessions made with the old."""
        hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
        return any(constant_time_compare(self.password, one) for one in hashes)


def session_key(scope: Any) -> str | None:
    cookies = _cookies(scope)
    return cookies.get(settings.SESSION_COOKIE_NAME) or cookies.get(former_cookies.NAME)


def claim_of(scope: Any) -> Claim | None:
    """Whom the session of a socket is for; to be held against the account. None: nobody."""
    cookies = _cookies(scope)
    if key := cookies.get(settings.SESSION_COOKIE_NAME):
        store: SessionBase | None = import_module(settings.SESSION_ENGINE).SessionStore(key)
    else:
        store = former_cookies.session(cookies.get(former_cookies.NAME))
    if (
        store is None
        or SESSION_KEY not in store
        or store.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS
    ):
        return None
    return Claim(User._meta.pk.to_python(store[SESSION_KEY]), store.get(HASH_SESSION_KEY, ""))


def _cookies(scope: Any) -> dict[str, str]:
    for name, value in scope["headers"]:
        if name == b"cookie":
            return parse_cookie(value.decode("latin-1"))
    return {}


def sign_of(user: User) -> str:
    """A sign of the password that can be compared, and not be tried against."""
    return sha256(user.password.encode()).hexdigest()
