"""What this process knows of a scope: who is here, at which version."""

from collections.abc import Iterable

from presence.store import Change, State

PENDING = 1_000  # changes that wait for an earlier one; where there are more, the state is read


class Roster:
    """Follows a scope's changes in order. Knows nothing until it is told a state.

    A version falls in one way only: to 0, where Redis was emptied, or nobody was left to end the
    last lease. Each count begins at the time (Redis's, in microseconds), far above the one before.
    """

    def __init__(self) -> None:
        self.users: dict[str, None] = {}
        self.version = 0
        self.known = False
        self._pending: dict[int, Change] = {}

    def reset(self, state: State) -> bool:
        """Take over a state, and what has waited for it; False where that is no news."""
        if self.known and 0 < state.version <= self.version:
            return False
        is_news = not self.known or state.version != self.version
        self.users = dict.fromkeys(sorted(state.users))
        self.version = state.version
        self.known = True
        self._in_line()
        return is_news

    def misses(self, version: int) -> bool:
        """Whether a scope that stands at `version` has gone on without us: then read its state."""
        if not self.known or self._pending:
            return True
        return version > self.version or (version == 0 and self.version > 0)

    def apply(self, changes: Iterable[Change]) -> tuple[list[Change], bool]:
        """Apply what is next in line; returns that, and whether something in between is missing.

        What comes after a hole waits: with several processes changes arrive in any order.
        """
        for change in changes:
            if change.version > self.version and len(self._pending) < PENDING:
                self._pending[change.version] = change
        applied = self._in_line() if self.known else []
        return applied, bool(self._pending)

    def _in_line(self) -> list[Change]:
        """Take from what waits that which is next, without a hole."""
        applied = []
        while change := self._pending.pop(self.version + 1, None):
            self.version = change.version
            if change.kind == "joined":
                self.users[change.user] = None
            else:
                self.users.pop(change.user, None)
            applied.append(change)
        if self._pending:
            for version in [version for version in self._pending if version <= self.version]:
                del self._pending[version]
        return applied
