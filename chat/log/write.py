"""What waits to be written to a room's log, and what came of it."""

from typing import NamedTuple

from chat.protocol.changes import Change, Repeated
from chat.protocol.commands import Command
from chat.protocol.errors import Refused


class Write(NamedTuple):
    """A command with the room it is for and the user who gave it. Who is no member of an open room
    yet `joins` it by writing, and by reading what was written."""

    room: int
    user: int
    command: Command
    joins: bool = False


class ReadTo(NamedTuple):
    """The user's read position in the room is now `seq`."""

    seq: int


Outcome = Change | Repeated | ReadTo | Refused


def makes_member(outcome: Outcome) -> bool:
    """Whether a membership is behind it: a position of somebody who is no member stays 0."""
    return isinstance(outcome, Change) or (isinstance(outcome, ReadTo) and outcome.seq > 0)
