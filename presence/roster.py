"""What this process knows of a scope: who is here, at which version."""

from collections.abc import Iterable

from presence.store import Movement, State

PENDING = 1_000  # changes that wait for an earlier one; where there are more, the state is read


class Roster:
    """Follows a scope's changes in order. Knows nothing until it is told a state.

    Where a version falls, Redis has lost what it had: all (then it is 0 until somebody comes, and
    goes on from the time in microseconds, far above the one before), or its last changes, by a
    crash or by a replica that was behind. Then the same versions come again, for other changes.
    """

    def __init__(self) -> None:
        self.users: dict[str, None] = {}
        self.version = 0
        self.known = False
        self._pending: dict[int, Movement] = {}
        self._heard = 0  # the highest version that is known of
        self._doubts = False

    def reset(self, state: State, newest: int = 0) -> bool:
        """Take over a state, and what has waited for it; False where that is no news.

        `newest` is what ours was when the state was asked for: a lower one means that Redis has
        lost what it had, and that what we have, and what waits, is of nobody any more.
        """
        self._doubts = False
        if state.version < newest:
            self._pending.clear()
            self._heard = 0
            self._doubts = True  # what came while it was read was dropped as seen: once more
        elif self.known and state.version < self.version:
            return False
        if self.known and state.version == self.version and self.users.keys() == state.users:
            return False
        self.users = dict.fromkeys(sorted(state.users))
        self.version = state.version
        self.known = True
        self._in_line()
        return True

    @property
    def newest(self) -> int:
        """The highest version that is known of, to be noted before a state is asked for."""
        return max(self._heard, self.version)

    def hear(self, version: int, online: int) -> None:
        """The scope stands, or stood a moment ago, at `version`, with so many users."""
        self._heard = max(self._heard, version)
        # A lower one may only be late. The same one with other users is of another history.
        if version < self.version or (version == self.version and online != len(self.users)):
            self._doubts = True

    @property
    def misses(self) -> bool:
        """Whether the scope has gone on without us, or may have: then read its state."""
        return not self.known or self._doubts or self._heard > self.version

    def apply(self, changes: Iterable[Movement]) -> tuple[list[Movement], bool]:
        """Apply what is next in line; returns that, and whether something in between is missing.

        What comes after a hole waits: with several processes changes arrive in any order.
        """
        for change in changes:
            self._heard = max(self._heard, change.version)
            if change.version > self.version and len(self._pending) < PENDING:
                self._pending[change.version] = change
        applied = self._in_line() if self.known else []
        return applied, self._heard > self.version

    def _in_line(self) -> list[Movement]:
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
