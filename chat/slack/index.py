"""A room's entries without their content: enough to order, number and link them.

A room can have more entries than fit into the memory, and they may lie in any order. So its files
are read twice: for this index, of some 30 bytes an entry, and then to write the messages.
"""

import uuid
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TypeAlias

from chat.slack.accounts import Accounts
from chat.slack.entries import Author, Entry, What, client_id
from chat.slack.values import micros_of, time_of, ts_of

Numbers: TypeAlias = "array[int]"

_MOVES = {What.JOIN: 1, What.LEAVE: -1}


class Fate(IntEnum):
    """What is to become of an entry."""

    NEW = 0
    HERE = 1  # an earlier import brought it in
    TWICE = 2
    TOO_OLD = 3


@dataclass
class Index:
    """Entries are known by their number, in the order of the files."""

    room_id: str
    voices: dict[str, Author] = field(default_factory=dict)  # all who need a user, by their key
    times: Numbers = field(default_factory=lambda: array("q"))  # microseconds since 1970
    threads: Numbers = field(default_factory=lambda: array("q"))  # time of the first, or -1
    _authors: Numbers = field(default_factory=lambda: array("q"))
    _moves: Numbers = field(default_factory=lambda: array("b"))
    _keys: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def add(self, entry: Entry) -> None:
        self.times.append(entry.micros)
        self.threads.append(micros_of(entry.thread) if entry.thread else -1)
        key = entry.author.key
        self.voices.setdefault(key, entry.author)
        self._authors.append(self._keys.setdefault(key, len(self._keys)))
        self._moves.append(_MOVES.get(entry.what, 0))
        for _, users in entry.reactions:
            self.add_people(users)

    def add_people(self, ids: Iterable[str]) -> None:
        for one in ids:
            self.voices.setdefault(one, Author(one))

    def users(self, accounts: Accounts) -> Numbers:
        """The primary key of each entry's author."""
        pks = [accounts[key] for key in self._keys]
        return array("q", (pks[number] for number in self._authors))

    def client_id(self, number: int) -> uuid.UUID:
        return self.client_id_at(self.times[number])

    def client_id_at(self, micros: int) -> uuid.UUID:
        return client_id(self.room_id, ts_of(micros))

    def in_order(self) -> list[int]:
        """The numbers of the entries by time; those of one time stay as the files have them."""
        return sorted(range(len(self)), key=self.times.__getitem__)

    def joined(self, order: Iterable[int], users: Numbers) -> dict[int, datetime]:
        """Who of these entries came and did not leave again, and when."""
        joined: dict[int, datetime] = {}
        for number in order:
            if self._moves[number] > 0:
                joined[users[number]] = time_of(self.times[number])
            elif self._moves[number] < 0:
                joined.pop(users[number], None)
        return joined


@dataclass
class Plan:
    """What is to become of the entries of an index."""

    index: Index
    users: Numbers
    order: list[int]
    here: Numbers  # number → primary key of the message that an earlier import wrote, or 0
    oldest: int  # microseconds; what is older is not kept
    fates: bytearray = field(init=False)
    ranks: Numbers = field(init=False)  # number → place among the new ones, from 0

    def __post_init__(self) -> None:
        self.fates = bytearray(len(self.index))
        self.ranks = array("q", bytes(8 * len(self.index)))
        rank, time, at_this_time = 0, -1, set[int]()
        for number in self.order:
            if self.index.times[number] != time:
                time, at_this_time = self.index.times[number], set()
            self.fates[number] = self._fate(number, at_this_time)
            at_this_time.add(self.users[number])
            self.ranks[number] = rank
            rank += self.fates[number] == Fate.NEW
        self.count = rank

    def _fate(self, number: int, at_this_time: set[int]) -> Fate:
        if self.users[number] in at_this_time:
            return Fate.TWICE
        if self.here[number]:
            return Fate.HERE
        return Fate.TOO_OLD if self.index.times[number] < self.oldest else Fate.NEW

    def new(self) -> Iterator[int]:
        """The new ones, by time."""
        return (number for number in self.order if self.fates[number] == Fate.NEW)

    def parents(self, pks: Numbers) -> dict[int, int]:
        """Time → primary key of each message here that is answered; `pks` by rank. Of two entries
        at one time the first began the thread."""
        wanted = set(self.index.threads)
        found: dict[int, int] = {}
        for number in self.order:
            time = self.index.times[number]
            if time in wanted and time not in found:
                if self.fates[number] == Fate.NEW:
                    found[time] = pks[self.ranks[number]]
                elif self.fates[number] == Fate.HERE:
                    found[time] = self.here[number]
        return found
