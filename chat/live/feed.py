"""One room in this process: the end of its log, and the connections that follow it."""

from collections.abc import Iterable, Mapping, Sequence

from chat.live.connection import Connection
from chat.live.outbox import Parcel
from chat.live.tail import Tail, in_frames
from chat.log.history import Missed, Page
from chat.protocol.changes import Change
from chat.protocol.commands import Ref

Answers = Mapping[int, tuple[Connection, str | int]]


class Feed(Tail):
    """Hands a room's changes to its connections, in order of `pos`, each once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.connections: set[Connection] = set()
        self.coming: set[Connection] = set()  # those that read the log now, and join it next
        # Changes that a connection asked for, with its `ref`, until the log has got there.
        self._answers: list[tuple[Change, Connection, Ref]] = []

    def open(self, page: Page, *, anew: bool = False) -> bool:
        """Sends nothing; the caller sends the page."""
        if not self.opened:
            # Answers from before the feed opened belong to connections that are gone. They would
            # make `has_hole` true until somebody writes.
            self._answers.clear()
        return super().open(page, anew=anew)

    def offer(self, changes: Iterable[Change], answers: Answers | None = None) -> None:
        """Changes that committed, in any order, any number of times: what is next in line is
        delivered. `answers` has, by `pos`, whose command it was and the `ref` that it gave."""
        changes = list(changes)
        ready = self.take(changes)
        if answers:
            self._answers += [
                (change, *answers[change.pos]) for change in changes if change.pos in answers
            ]
        if self.opened:
            self._deliver(ready)

    def fill(self, missed: Missed) -> list[Change]:
        filled = super().fill(missed)
        self._deliver(filled)
        return filled

    def answer(self, change: Change, connection: Connection, ref: Ref) -> None:
        """Show `change`, which may have been delivered long ago, to the connection that asked.

        It waits until the log has got there: a client that held a later `pos` than it was
        delivered would come back with a cursor that skips what is in between.
        """
        self._answers.append((change, connection, ref))
        self.settle()

    def settle(self) -> None:
        """Give the answers that the log has got to."""
        self._deliver([])

    @property
    def has_hole(self) -> bool:
        return bool(super().has_hole or self._answers)

    @property
    def is_followed(self) -> bool:
        return bool(self.connections or self.coming)

    # -- what connections are sent ------------------------------------------------------------

    def send(self, objects: Sequence[bytes], to: Iterable[Connection]) -> None:
        """The same to each of them."""
        parcel = Parcel(objects)
        for connection in to:
            connection.push(parcel)

    def send_page(self, connection: Connection, mode: str) -> None:
        """The newest page; to a client that knows no protocol its messages one by one, and of a
        "reset" those that it was not shown before."""
        if connection.is_plain:
            after = self.shown_seq if mode == "reset" else 0
            connection.push(Parcel(self.posts(after=after)))
            return
        states, more = self.page()
        connection.send_history(states, head=self.head, more=more, mode=mode)

    def send_missed(self, connection: Connection, changes: list[Change]) -> None:
        """Net changes up to the head, cut so that each frame leaves the cursor right."""
        pieces = in_frames(changes)
        for piece in pieces:
            head = self.head if piece is pieces[-1] else piece[-1].pos
            states = [change.state for change in piece]
            connection.send_history(states, head=head, more=True, mode="since")

    def _deliver(self, changes: list[Change]) -> None:
        answers = self._answered() if self._answers else {}
        if not self.connections:
            return
        frames = [(change.pos, change.frame) for change in changes]
        if frames:
            others = self.connections - answers.keys() if answers else self.connections
            self.send([frame for _, frame in frames], others)
        for connection, own in answers.items():
            # In order of `pos`: one that the others see as a part of a later change has its place.
            places = {pos for pos, _ in own}
            rest = [(pos, frame) for pos, frame in frames if pos not in places]
            in_order = sorted(rest + own, key=lambda placed: placed[0])
            self.send([frame for _, frame in in_order], {connection})

    def _answered(self) -> dict[Connection, list[tuple[int, bytes]]]:
        """Take the answers that the log has got to: frames with their places, by connection."""
        answers: dict[Connection, list[tuple[int, bytes]]] = {}
        waiting = []
        for answer in self._answers:
            change, connection, ref = answer
            if change.pos > self.head:
                waiting.append(answer)
            elif connection in self.connections:
                frame = change.frame if ref is None else change.answering(ref)
                answers.setdefault(connection, []).append((change.pos, frame))
        self._answers = waiting
        return answers
