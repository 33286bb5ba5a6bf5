"""One room in this process: its log's end, kept encoded, and the connections that follow it.

The end of the log is what a newcomer's page and a returning client's catch-up are made of, so a
thousand clients that reconnect read the database a few times, not a thousand.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from django.conf import settings

from chat.events import POSTED, Change
from chat.history import Missed, Page, as_seen
from chat.outbox import Parcel
from presence.roster import Roster

if TYPE_CHECKING:
    from chat.audience import Audience
    from chat.connection import Connection

KEPT = 1_000  # changes a room
KEPT_BYTES = 1_048_576
# What waits for an earlier change; more than that is dropped, and read from the database later.
PENDING = 5_000


class Feed:
    """Applies a room's changes in order of `pos`, each once, and hands them to its connections."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.connections: set[Connection] = set()
        self.coming: set[Connection] = set()  # those that read the log now, and join it next
        self.audience: Audience | None = None  # those that were shown who is online
        self.roster = Roster()
        self.head = 0
        self.floor = 0  # every change after it is in `_recent`, net
        self.last_seq = 0
        self.shown_seq = 0  # up to where its connections were shown messages when it began again
        self.more = False
        self.opened = False
        self.is_doubtful = False  # a change came in a place that another one has here
        self._page: dict[int, Change] = {}
        self._recent: dict[int, Change] = {}
        self._recent_bytes = 0
        self._pending: dict[int, Change] = {}
        self._page_states: list[bytes] | None = None
        self._page_posts: dict[int, bytes] | None = None  # by `seq`
        # Changes that a connection asked for, with its `ref`, until the log has got there.
        self._answers: list[tuple[Change, Connection, str | int | None]] = []

    # -- the log ------------------------------------------------------------------------------

    def open(self, page: Page, *, anew: bool = False) -> bool:
        """Begin, or begin again, with the newest page as the database has it.

        False where that is no news. With `anew` it is, whatever was here before. Nothing is
        delivered: whoever is connected must get the page before what comes after it.
        """
        if self.opened and page.head <= self.head and not anew:
            return False
        shown = self.last_seq
        if anew:
            shown = min((one.seq - 1 for one in page.changes if not self._has(one)), default=shown)
        self.is_doubtful = False
        self.head = self.floor = page.head
        self.more = page.more
        self._page = {change.id: change for change in page.changes}
        self._page_states = self._page_posts = None
        self._recent.clear()
        self._recent_bytes = 0
        self.shown_seq = shown
        self.last_seq = page.changes[-1].seq if page.changes else 0
        if not self.opened:
            # Nobody is connected yet: they were for somebody who left while the feed before this
            # one was given up. Kept, they would pass for a hole until somebody writes.
            self._answers.clear()
        self.opened = True
        self._in_line()
        return True

    def offer(
        self,
        changes: Iterable[Change],
        answers: Mapping[int, tuple["Connection", str | int]] | None = None,
    ) -> None:
        """Changes that committed, in any order, any number of times.

        What is next in line is delivered; what was seen is dropped; what comes after a hole waits.
        `answers` has, by `pos`, the connection whose command it was and the `ref` it gave.
        """
        for change in changes:
            if change.pos > self.head or not self.opened:
                if len(self._pending) < PENDING:
                    self._pending[change.pos] = change
            elif not self._has(change):
                self.is_doubtful = True
            if answers and change.pos in answers:
                self._answers.append((change, *answers[change.pos]))
        if self.opened:
            self._deliver(self._in_line())

    def answer(self, change: Change, connection: "Connection", ref: str | int | None) -> None:
        """Show `change`, which may have been delivered long ago, to the connection that asked.

        It waits until the log has got there: a client that held a later `pos` than it was
        delivered would come back with a cursor that skips what is in between.
        """
        self._answers.append((change, connection, ref))
        self.settle()

    def settle(self) -> None:
        """Give the answers that the log has got to."""
        self._deliver([])

    def agrees_with(self, page: Page, head: int) -> bool:
        """Whether the newest page, which was read when our log had got to `head`, is of that log.

        Else the database has lost its end, as after a failover or a restore; or what was shown here
        was never there, since somebody wrote it into Redis.
        """
        theirs = {change.id for change in page.changes}
        first = page.changes[0].seq if page.changes else 0
        ours = [change for change in self._page.values() if change.pos <= head]
        return (
            page.head >= head
            and all(self._has(change) for change in page.changes if change.pos <= head)
            and all(change.id in theirs for change in ours if change.seq >= first)
        )

    def _has(self, change: Change) -> bool:
        """Whether it, or a later change of its message, was delivered, for all that is kept."""
        kept = self._recent.get(change.id) or self._page.get(change.id)
        return kept is not None and kept.pos >= change.pos

    @property
    def has_hole(self) -> bool:
        return bool(self._pending or self._answers)

    @property
    def waiting(self) -> list[int]:
        """The places of changes that wait for an earlier one."""
        return list(self._pending)

    def drop(self, places: Iterable[int]) -> None:
        """Changes that waited, and that the database has never had: else they would be waited for
        for ever. Changes are published after their commit."""
        for pos in places:
            self._pending.pop(pos, None)

    def fill(self, missed: Missed) -> None:
        """Changes read from the database after a hole, net: they reach up to `missed.head`."""
        if missed.head <= self.head:
            return
        changes = [
            as_seen(change, self.last_seq) for change in missed.changes if change.pos > self.head
        ]
        for change in changes:
            self._keep(change)
        # Net, a new message that was changed since stands behind newer ones. Taken into the page in
        # that order it would count as an old one, and newcomers would be shown a hole in its place.
        for change in sorted(changes, key=lambda change: change.seq):
            self._place(change)
        self.head = missed.head
        self._deliver(changes + self._in_line())

    def remember(self, missed: Missed, since: int) -> None:
        """Changes before ours, read from the database, so that catch-up reaches back to `since`."""
        older = {change.id: change for change in missed.changes if change.pos <= self.floor}
        for pk in older.keys() & self._recent.keys():
            del older[pk]
        if missed.complete and missed.head >= self.floor and since < self.floor:
            self._recent = older | self._recent
            self._recent_bytes = sum(len(change.state) for change in self._recent.values())
            self.floor = since

    def since(self, cursor: int) -> list[Change] | None:
        """What changed after `cursor`, net, in order of `pos`; None where we don't know."""
        if cursor < self.floor:
            return None
        missed = []
        for change in reversed(self._recent.values()):
            if change.pos <= cursor:
                break
            missed.append(change)
        return missed[::-1]

    def page(self) -> tuple[list[bytes], bool]:
        """The newest messages' states, oldest first, as many as fit a frame; and if older exist."""
        if self._page_states is None:
            self._page_states = newest_that_fit([change.state for change in self._page.values()])
        return self._page_states, self.more or len(self._page_states) < len(self._page)

    def posts(self, *, after: int = 0) -> list[bytes]:
        """The newest messages whose `seq` is over `after`, for a client that knows no page: each as
        a frame, as if it were posted now, and together no more than a page's frame may be. Those
        that were deleted are left out."""
        if self._page_posts is None:
            self._page_posts = {
                change.seq: change._replace(kind=POSTED).frame
                for change in self._page.values()
                if not change.is_deleted
            }
        return newest_that_fit([frame for seq, frame in self._page_posts.items() if seq > after])

    @property
    def is_followed(self) -> bool:
        return bool(self.connections or self.coming)

    def _in_line(self) -> list[Change]:
        """Take from what waits that which is next, without a hole."""
        ready = []
        while change := self._pending.pop(self.head + 1, None):
            self.head += 1
            self._keep(change)
            self._place(change)
            ready.append(change)
        if self._pending:
            for pos in [pos for pos in self._pending if pos <= self.head]:
                del self._pending[pos]
        return ready

    def _keep(self, change: Change) -> None:
        """Put it at the end of what returning clients are given."""
        earlier = self._recent.pop(change.id, None)
        self._recent[change.id] = change  # now last: in order of `pos`
        self._recent_bytes += len(change.state) - (len(earlier.state) if earlier else 0)
        while len(self._recent) > KEPT or self._recent_bytes > KEPT_BYTES:
            oldest = self._recent.pop(next(iter(self._recent)))
            self._recent_bytes -= len(oldest.state)
            self.floor = oldest.pos

    def _place(self, change: Change) -> None:
        """Put it into the page that newcomers are given, if it belongs there."""
        if change.seq > self.last_seq:
            self.last_seq = change.seq
            self._page[change.id] = change
            if len(self._page) > settings.CHAT_HISTORY_PAGE:
                del self._page[next(iter(self._page))]
                self.more = True
            self._page_states = self._page_posts = None
        elif change.id in self._page:
            self._page[change.id] = change
            self._page_states = self._page_posts = None

    # -- the connections ----------------------------------------------------------------------

    def send(self, frames: list[bytes], to: "set[Connection]") -> None:
        """The same frames to each of them. One that reads too slowly is closed, alone."""
        parcel = Parcel(frames)
        for connection in [one for one in to if not one.push(parcel)]:
            connection.too_slow()

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

    def _answered(self) -> "dict[Connection, list[tuple[int, bytes]]]":
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


def newest_that_fit(states: list[bytes]) -> list[bytes]:
    """The last of `states` (oldest first) that leave room in one frame for the rest of it. One at
    least, where there are any."""
    room = settings.CHAT_FRAME_OUT_MAX - 4_096
    fitting: list[bytes] = []
    for state in reversed(states):
        room -= len(state) + 1
        if room < 0 and fitting:
            break
        fitting.append(state)
    return fitting[::-1]


def in_frames(changes: list[Change]) -> list[list[Change]]:
    """A catch-up cut into pieces that each leave room in a frame."""
    pieces: list[list[Change]] = [[]]
    size = 4_096
    for change in changes:
        size += len(change.state) + 1
        if size > settings.CHAT_FRAME_OUT_MAX and pieces[-1]:
            pieces.append([])
            size = 4_096 + len(change.state)
        pieces[-1].append(change)
    return pieces
