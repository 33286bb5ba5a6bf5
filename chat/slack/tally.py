"""Counts of what became of entries, and where those were that need a look."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.slack.entries import What

NAMED_MAX = 20  # places named for each reason, unless everything is asked for

# What an entry has that its message has not (images, buttons …), by kind.
LeftOut = Counter[str]


@dataclass
class Places:
    """Where something happened. All are counted; in memory stay as many as are to be named."""

    most: int | None  # None: all
    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, where: str) -> None:
        self.extend(1, (where,))

    def extend(self, count: int, named: Iterable[str]) -> None:
        self.count += count
        self.named += named
        del self.named[len(self.named) if self.most is None else self.most :]


class Reasons(defaultdict[str, Places]):
    """Why → where."""

    def __init__(self, most: int | None) -> None:
        super().__init__(lambda: Places(most))

    @property
    def count(self) -> int:
        return sum(places.count for places in self.values())

    def merge(self, other: "Reasons") -> None:
        for why, places in other.items():
            self[why].extend(places.count, places.named)


class Tally:
    """One room's entries. It counts for the whole only once the room's transaction is committed."""

    def __init__(self, most: int | None) -> None:
        self.became: Counter[What] = Counter()
        self.already_there = 0
        self.extras: Counter[str] = Counter()
        self.left: LeftOut = Counter()
        self.skipped = Reasons(most)  # as is right
        self.lost = Reasons(most)  # should have come in, and could not
        self.remarks = Reasons(most)  # came in, but not as they were

    def remark(self, where: str, why: str) -> None:
        self.remarks[why].add(where)

    def add(self, other: "Tally") -> None:
        self.became += other.became
        self.already_there += other.already_there
        self.extras += other.extras
        self.left += other.left
        self.skipped.merge(other.skipped)
        self.lost.merge(other.lost)
        self.remarks.merge(other.remarks)

    @property
    def total(self) -> int:
        return self.became.total() + self.already_there + self.skipped.count + self.lost.count
