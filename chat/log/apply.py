"""What people do in rooms: post, edit, delete, react, read. One transaction for a batch of them.

Whoever calls gets one outcome a write, in order; nothing is announced before the commit.
"""

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from chat.log import history
from chat.log.edits import Edits
from chat.log.posts import post_all
from chat.log.read_marks import mark_all
from chat.log.write import Outcome, Write
from chat.models import Room
from chat.protocol.changes import POSTED, Change, Repeated, change_of
from chat.protocol.commands import Post, Read
from chat.protocol.errors import Refused


class Unsure(Exception):
    """The connection broke at the commit: it may have been carried out, or not.

    Give this to `apply` when trying again. To carry out an edit a second time might put it over a
    later one, and keeps a text of before that nobody wrote over.
    """

    def __init__(
        self, error: DatabaseError, outcomes: list[Outcome], traces: Sequence[QuerySet[Any]]
    ) -> None:
        super().__init__("no answer to the commit")
        self.error = error
        self.outcomes = outcomes
        self._traces = traces

    def was_committed(self) -> bool:
        """Ask under the rooms' locks: then the transaction in question is over."""
        return any(trace.exists() for trace in self._traces)


def apply(writes: Sequence[Write], unsure: Unsure | None = None) -> list[Outcome]:
    """Carry out `writes` in one transaction. Raises DatabaseError where the whole of it failed, and
    Unsure where that is not known. A batch of nothing but posts, or of nothing but read positions,
    may always be applied again: a post is found by its `client_id`.

    Read positions are not mixed with others: they wait for no room's lock.
    """
    if all(isinstance(write.command, Post) for write in writes):
        return _finished(writes, post_all(writes))
    if all(isinstance(write.command, Read) for write in writes):
        return list(mark_all(writes))
    outcomes: list[Outcome] | None = None
    traces: list[QuerySet[Any]] = []
    try:
        with transaction.atomic():
            _lock(writes)
            if unsure is not None and unsure.was_committed():
                return unsure.outcomes
            outcomes = _carry_out(writes, traces)
    except DatabaseError as error:
        if outcomes is None:
            raise
        raise Unsure(error, outcomes, traces) from error
    return outcomes


def _lock(writes: Sequence[Write]) -> None:
    """In pk order, so that no two batches wait for each other."""
    rooms = Room.objects.filter(pk__in={write.room for write in writes}).order_by("pk")
    list(rooms.select_for_update(no_key=True).values_list("pk"))


def _carry_out(writes: Sequence[Write], traces: list[QuerySet[Any]]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    for turn in _turns(writes):
        given = [writes[n] for n in turn]
        if isinstance(given[0].command, Post):
            done = _finished(given, post_all(given))
        else:
            edits = Edits(given)
            done = [edits.carry_out(write) for write in given]
            edits.write()
            traces += edits.traces
        outcomes |= zip(turn, done, strict=True)
    return [outcomes[n] for n in range(len(writes))]


def _turns(writes: Sequence[Write]) -> list[list[int]]:
    """The places of `writes` in turns, each of posts or of other commands: as many together as can
    be without a sender's own changing their order."""
    turns: list[list[int]] = []
    reached: dict[int, int] = {}
    for n, write in enumerate(writes):
        turn = reached.get(write.user, 0)
        if (turn % 2 == 0) != isinstance(write.command, Post):  # posts take the even turns
            turn += 1
        reached[write.user] = turn
        while len(turns) <= turn:
            turns.append([])
        turns[turn].append(n)
    return [turn for turn in turns if turn]


def _finished(writes: Sequence[Write], outcomes: Sequence[Change | Refused | int]) -> list[Outcome]:
    """A post that was sent before gives its message's id; look those up together."""
    repeated: dict[int, list[int]] = {}
    for write, outcome in zip(writes, outcomes, strict=True):
        if isinstance(outcome, int):
            repeated.setdefault(write.room, []).append(outcome)
    if not repeated:
        return list(outcomes)  # type: ignore[arg-type]
    states = {room: history.states(room, ids) for room, ids in repeated.items()}
    return [
        Repeated(change_of(POSTED, states[write.room][outcome]))
        if isinstance(outcome, int)
        else outcome
        for write, outcome in zip(writes, outcomes, strict=True)
    ]
