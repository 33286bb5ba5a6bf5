"""Django's sessions in the database, read with a prepared statement: each socket reads one.

They last for two weeks after their last renewal; a page renews one that is half over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.dispatch import Signal
from django.utils import timezone

from core.database import statements

# Somebody's session has ended, or goes on under another key: signed in as another, signed up, a
# password changed. Sent with `user` (a pk), `session` (the old key) and `signed_out`, whether they
# asked for that.
session_ended = Signal()

_FIND = statements.Statement(
    "core_session",
    ["text"],
    "SELECT session_key, session_data, expire_date FROM django_session"
    " WHERE session_key = $1 AND expire_date > now()",
)


# In each session that was written since our cookies have names of our own (former_cookies.py).
_OWN_COOKIE = "_own_cookie"


class SessionStore(db.SessionStore):
    is_signing_out = False  # django.contrib.auth.logout has begun; its last step is `flush`

    def encode(self, session_dict: dict[str, Any]) -> str:
        return super().encode({**session_dict, _OWN_COOKIE: True})

    def is_from_before(self) -> bool:
        """There is such a session, and it was last written when cookies had Django's names."""
        return _OWN_COOKIE not in self and bool(self.keys())

    def _get_session_from_db(self) -> Any:
        """The unexpired row; None, and a key no longer, where there is none (as Django's does)."""
        key = self.session_key or ""
        # What is no key of ours may have characters that the database would choke on.
        rows = statements.fetch((_FIND, [key])) if key.isascii() and key.isalnum() else []
        if not rows:
            self._session_key = None
            return None
        return statements.instance(self.model, rows[0])

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()
        data: dict[str, Any] = self.decode(row.session_data) if row else {}
        # Whoever comes back stays who they are: once half of its life is over, a page that read it
        # writes it anew, with its cookie. It is an update: what was ended meanwhile stays ended.
        half = timedelta(seconds=self.get_session_cookie_age() / 2)
        if data and row.expire_date < timezone.now() + half:
            self.modified = True
        return data

    def cycle_key(self) -> None:
        with self._ending():
            super().cycle_key()

    def flush(self) -> None:
        with self._ending():
            super().flush()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        user, key = self.get(SESSION_KEY), self.session_key
        yield
        if user is not None and key is not None:
            signed_out, self.is_signing_out = self.is_signing_out, False
            session_ended.send(type(self), user=int(user), session=key, signed_out=signed_out)
