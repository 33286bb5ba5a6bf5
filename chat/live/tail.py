"""The end of a room's log in this process, kept encoded: pages and catch-up are made of it.

So a thousand clients that reconnect read the database a few times, not a thousand.
"""

from collections.abc import Iterable

from django.conf import settings

from chat.log.history import Missed, Page, as_seen
from chat.protocol.changes import POSTED, Change

KEPT = 1_000  # changes a room
KEPT_BYTES = 1_048_576
# What waits for an earlier change; more than that is dropped, and read from the database later.
PENDING = 5_000


class Tail:
    """Takes a room's changes in order of `pos`, each once. What comes after a hole waits."""

    def __init__(self) -> None:
        self.head = 0
        self.floor = 0  # every change after it is in `_recent`, net
        self.last_seq = 0
        self.shown_seq = 0  # up to where readers were shown messages when it began again
        self.more = False
        self.opened = False
        self.is_doubtful = False  # a change came in a place that another one has here
        self._page: dict[int, Change] = {}
        self._recent: dict[int, Change] = {}
        self._recent_bytes = 0
        self._pending: dict[int, Change] = {}
        self._page_states: list[bytes] | None = None
        self._page_posts: dict[int, bytes] | None = None  # by `seq`

    def open(self, page: Page, *, anew: bool = False) -> bool:
        """Begin, or begin again, with the newest page as the database has it.

        False where that is no news. With `anew` it is, whatever was here before. What is next in
        line is in it: whoever is connected must get the page before what comes after it.
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
        self.opened = True
        self._in_line()
        return True

    def take(self, changes: Iterable[Change]) -> list[Change]:
        """Changes that committed, in any order, any number of times: what was seen is dropped.
        Returns what is next in line."""
        for change in changes:
            if change.pos > self.head or not self.opened:
                if len(self._pending) < PENDING:
                    self._pending[change.pos] = change
            elif not self._has(change):
                self.is_doubtful = True
        return self._in_line() if self.opened else []

    def fill(self, missed: Missed) -> list[Change]:
        """Changes read from the database after a hole, net: they reach up to `missed.head`.
        Returns them, as they are to be announced, and what is next in line after them."""
        if missed.head <= self.head:
            return []
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
        return changes + self._in_line()

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
        return bool(self._pending)

    @property
    def waiting(self) -> list[int]:
        """The places of changes that wait for an earlier one."""
        return list(self._pending)

    def drop(self, places: Iterable[int]) -> None:
        """Changes that waited, and that the database has never had: else they would be waited for
        for ever. Changes are published after their commit."""
        for pos in places:
            self._pending.pop(pos, None)

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
