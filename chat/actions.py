"""What people do in rooms: post, edit, delete, react, read. One transaction for a batch of them.

Whoever calls gets one outcome a job, in order; nothing is announced before the commit.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from chat import history
from chat.changes import Changes
from chat.commands import Command, Post, Read
from chat.errors import Refused
from chat.events import POSTED, Change, Repeated, change_of
from chat.models import Room
from chat.posting import post_all
from chat.read_marks import ReadTo, mark_all


class Job(NamedTuple):
    """A command with the room it is for and the user who gave it. Who is no member of an open room
    yet `joins` it by writing, and by reading what was written."""

    room: int
    user: int
    command: Command
    joins: bool = False


Outcome = Change | Repeated | ReadTo | Refused


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


def apply(jobs: Sequence[Job], unsure: Unsure | None = None) -> list[Outcome]:
    """Carry out `jobs` in one transaction. Raises DatabaseError where the whole of it failed, and
    Unsure where that is not known. Jobs that are all posts, or all read positions, may always be
    applied again: a post is found by its `client_id`.

    Read positions are not mixed with others: they wait for no room's lock.
    """
    if all(isinstance(job.command, Post) for job in jobs):
        return _finished(jobs, post_all(jobs))
    if all(isinstance(job.command, Read) for job in jobs):
        return list(mark_all(jobs))
    outcomes: list[Outcome] | None = None
    traces: list[QuerySet[Any]] = []
    try:
        with transaction.atomic():
            _lock(jobs)
            if unsure is not None and unsure.was_committed():
                return unsure.outcomes
            outcomes = _carry_out(jobs, traces)
    except DatabaseError as error:
        if outcomes is None:
            raise
        raise Unsure(error, outcomes, traces) from error
    return outcomes


def _lock(jobs: Sequence[Job]) -> None:
    """In pk order, so that no two batches wait for each other."""
    rooms = Room.objects.filter(pk__in={job.room for job in jobs}).order_by("pk")
    list(rooms.select_for_update(no_key=True).values_list("pk"))


def _carry_out(jobs: Sequence[Job], traces: list[QuerySet[Any]]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    for turn in _turns(jobs):
        given = [jobs[n] for n in turn]
        if isinstance(given[0].command, Post):
            done = _finished(given, post_all(given))
        else:
            changes = Changes(given)
            done = [changes.carry_out(job) for job in given]
            changes.write()
            traces += changes.traces
        outcomes |= zip(turn, done, strict=True)
    return [outcomes[n] for n in range(len(jobs))]


def _turns(jobs: Sequence[Job]) -> list[list[int]]:
    """The places of `jobs` in turns, each of posts or of other commands: as many together as can be
    without a sender's own changing their order."""
    turns: list[list[int]] = []
    reached: dict[int, int] = {}
    for n, job in enumerate(jobs):
        turn = reached.get(job.user, 0)
        if (turn % 2 == 0) != isinstance(job.command, Post):  # posts take the even turns
            turn += 1
        reached[job.user] = turn
        while len(turns) <= turn:
            turns.append([])
        turns[turn].append(n)
    return [turn for turn in turns if turn]


def _finished(jobs: Sequence[Job], outcomes: Sequence[Change | Refused | int]) -> list[Outcome]:
    """A post that was sent before gives its message's id; look those up together."""
    repeated: dict[int, list[int]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, int):
            repeated.setdefault(job.room, []).append(outcome)
    if not repeated:
        return list(outcomes)  # type: ignore[arg-type]
    states = {room: history.states(room, ids) for room, ids in repeated.items()}
    return [
        Repeated(change_of(POSTED, states[job.room][outcome]))
        if isinstance(outcome, int)
        else outcome
        for job, outcome in zip(jobs, outcomes, strict=True)
    ]
