"""What came of the writes, told to those whom it concerns."""

from collections.abc import Sequence

from chat.live import bus
from chat.live.connection import Connection
from chat.live.connections import Connections
from chat.live.hub import Hub
from chat.live.revocations import Revocations
from chat.log.write import Outcome, ReadTo, Write, makes_member
from chat.protocol import frames
from chat.protocol.changes import Change, Repeated
from chat.protocol.errors import Gone, Refused


class Outcomes:
    """`tell` is the writer's callback."""

    def __init__(self, hub: Hub, connections: Connections, revocations: Revocations) -> None:
        self._hub = hub
        self._connections = connections
        self._revocations = revocations
        hub.mailbox.hear(bus.ReadUpTo, self._on_read)

    def tell(self, batch: Sequence[tuple[Write, Connection, Outcome]]) -> None:
        """Show what was committed, once a room; answer the rest."""
        changes: dict[int, list[Change]] = {}
        answers: dict[int, dict[int, tuple[Connection, str | int]]] = {}
        for write, connection, outcome in batch:
            if isinstance(outcome, Change):
                changes.setdefault(write.room, []).append(outcome)
                if write.command.ref is not None:
                    answer = (connection, write.command.ref)
                    answers.setdefault(write.room, {})[outcome.pos] = answer
        for room, committed in changes.items():
            committed.sort(key=lambda change: change.pos)
            self._hub.publish(room, committed, answers.get(room))
        for write, connection, outcome in batch:
            if write.joins and makes_member(outcome):
                self._joined(write)
            if isinstance(outcome, ReadTo):
                self._read_to(write, connection, outcome)
            elif isinstance(outcome, Refused):
                connection.refuse(write.command, outcome)
                if isinstance(outcome, Gone):
                    self._revocations.check_soon(connection)
            elif isinstance(outcome, Repeated):
                self._hub.answer(connection, outcome.change, write.command.ref)

    def _joined(self, write: Write) -> None:
        """They are a member, on every connection that this process has of them there. The other
        processes find out when they check who may still be here."""
        for connection in self._connections.of(write.user):
            connection.is_member |= connection.room_id == write.room

    def _read_to(self, write: Write, origin: Connection, outcome: ReadTo) -> None:
        """A read position is for the same person's other tabs, in every process."""
        origin.push_one(frames.read(outcome.seq, write.command.ref))
        message = bus.ReadUpTo(write.room, write.user, outcome.seq)
        self._on_read(message, origin)
        self._hub.tell(write.room, message)

    def _on_read(self, message: bus.ReadUpTo, origin: Connection | None = None) -> None:
        for connection in self._connections.of(message.user):
            if connection.room_id == message.room and connection is not origin:
                connection.push_one(frames.read(message.seq))
