"""Django's sessions in the database, read with a prepared statement: each socket reads one."""

from typing import Any

from django.contrib.sessions.backends import db

from core import statements

_FIND = statements.Statement(
    "core_session",
    ["text"],
    "SELECT session_key, session_data, expire_date FROM django_session"
    " WHERE session_key = $1 AND expire_date > now()",
)


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Any:
        """The unexpired row; None, and a key no longer, where there is none (as Django's does)."""
        key = self.session_key or ""
        # What is no key of ours may have characters that the database would choke on.
        rows = statements.fetch((_FIND, [key])) if key.isascii() and key.isalnum() else []
        if not rows:
            self._session_key = None
            return None
        return statements.instance(self.model, rows[0])
