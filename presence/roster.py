"""What this process knows of a scope: who is here, at which version."""

from collections.abc import Iterable

from presence.store import Change, State


class Roster:
    """Follows a scope's changes in order. Knows nothing until it is told a state."""

    def __init__(self) -> None:
        self.users: dict[str, None] = {}
        self.version = 0
        self.known = False

    def reset(self, state: State) -> None:
        """Take over a state, unless what is known is newer."""
        if not self.known or state.version >= self.version:
            self.users = dict.fromkeys(sorted(state.users))
            self.version = state.version
            self.known = True

    def misses(self, version: int) -> bool:
        """Whether a scope that stands at `version` has gone on without us: then read its state."""
        return not self.known or version > self.version

    def apply(self, changes: Iterable[Change]) -> tuple[list[Change], bool]:
        """Apply what is next in line; returns that, and whether something in between is missing."""
        applied: list[Change] = []
        for change in sorted(changes, key=lambda change: change.version):
            if change.version <= self.version:
                continue  # seen
            if not self.known or change.version != self.version + 1:
                return applied, True
            self.version = change.version
            if change.kind == "joined":
                self.users[change.user] = None
            else:
                self.users.pop(change.user, None)
            applied.append(change)
        return applied, False
