"""When a process's leases must be renewed, and when the leases in its scopes end. Nothing is asked
here: the tracker asks Redis, and tells what it heard.
"""

import time
from collections.abc import Set

RETRY = 1.0  # seconds until a renewal that failed is tried again


class Schedule:
    """`renew`: seconds between two renewals of everything."""

    def __init__(self, renew: float) -> None:
        self._renew = renew
        self.ends: dict[str, float] = {}  # scope → when its next lease ends, as far as we know
        self.renewed_at = 0.0  # all that is not overdue
        self._overdue: set[str] = set()  # scopes where ours may be over: a call there failed …
        self._retry_at = 0.0  # … and when it is tried again

    # -- what is due --------------------------------------------------------------------------

    def over(self, ours: Set[str]) -> set[str]:
        """Where a lease is over, or a renewal that failed is due again: not sooner, for either."""
        now = time.monotonic()
        over = {scope for scope, end in self.ends.items() if end <= now}
        if now < self._retry_at:
            return over - self._overdue
        if self._overdue:
            self._retry_at = now + RETRY
        return over | (self._overdue & ours)

    def late(self, scopes: Set[str]) -> set[str]:
        """Those of `scopes` where leases of ours may be over: Redis was away, or we stood still."""
        if time.monotonic() > self.renewed_at + self._renew + RETRY:
            return {*scopes}
        return {*scopes} & self._overdue

    # -- what was done ------------------------------------------------------------------------

    def begin(self, ours: Set[str] = frozenset()) -> None:
        """All that is ours is renewed from now on: it is overdue until Redis has answered."""
        self.renewed_at = time.monotonic()
        self._overdue |= ours

    def asked(self, scopes: Set[str], ours: Set[str]) -> None:
        """Of what is neither asked about nor ours, nothing is due any more."""
        self._overdue = (self._overdue & ours) | scopes

    def answered(self, scopes: Set[str]) -> None:
        self._overdue -= scopes

    def failed(self, scopes: Set[str]) -> None:
        self._overdue |= scopes

    def look_after(self, scope: str, seconds: float) -> None:
        """A lease in the scope ends in so many seconds."""
        self.ends[scope] = time.monotonic() + seconds

    def forget(self, scope: str) -> None:
        self.ends.pop(scope, None)
