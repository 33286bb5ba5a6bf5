"""What one client holds of a room, and whether it was told so by the rules of chat/PROTOCOL.md."""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

Frame = dict[str, Any]
CHANGES = {"chat.message", "chat.edited", "chat.deleted", "chat.reaction"}


class Problem(NamedTuple):
    """A rule that was broken: `kind` is a column of the table (order, doubled, missing, rules)."""

    kind: str
    what: str


class Reset(NamedTuple):
    """A fresh page in place of what was missed: the cursor before it, and the one it gave."""

    cursor: int
    head: int


class Log:
    """Takes every frame of every connection of one client, in order.

    `cursor` is what the client comes back with. Messages older than `first_seq` are unknown to it:
    they were there before the page that it began with.
    """

    def __init__(self, user: int) -> None:
        self.user = user
        self.messages: dict[int, Frame] = {}
        self.cursor: int | None = None
        self.first_seq = 1
        self.resets: list[Reset] = []
        self.joined = False
        self._is_live = False
        self.problems: list[Problem] = []
        self._seen: set[int] = set()
        self._answers: Counter[tuple[str, Any]] = Counter()

    def connected(self) -> None:
        """A new connection: each `pos` may come once more, and nothing has been asked yet."""
        self.joined = self._is_live = False
        self._seen.clear()
        self._answers.clear()

    def sent(self, command: Frame) -> None:
        """A command leaves on this connection; its answer may repeat what was seen."""
        name = "ref" if "ref" in command else "client_id"
        self._answers[name, command[name]] += 1

    def take(self, frame: Frame) -> None:
        if frame["type"] == "chat.history":
            self._take_history(frame)
        elif frame["type"] in CHANGES:
            self._take_change(frame)

    def _take_history(self, frame: Frame) -> None:
        if "ref" in frame:  # older messages, as asked for
            return
        mode, head, messages = frame["mode"], frame["head"], frame["messages"]
        places = [message["pos"] for message in messages]
        if any(pos > head for pos in places):
            self._complain("order", f"{mode}: {max(places)} is past its head {head}")
        if mode == "since":
            self._check_since(places, head)
        else:
            self._begin(frame)
        for message in messages:
            self._keep(message)
        self._seen.update(places)
        self.cursor = head
        self.joined = True

    def _check_since(self, places: list[int], head: int) -> None:
        cursor = self.cursor
        if cursor is None:
            self._complain("rules", "since, though it never was here")
        elif head < cursor or any(pos <= cursor for pos in places):
            self._complain("doubled", f"since {cursor}: {places} up to {head}")
        if self._is_live:
            self._complain("rules", f"since {cursor} after live events")
        if any(one >= other for one, other in pairwise(places)):
            self._complain("order", f"since {cursor}: {places}")

    def _begin(self, frame: Frame) -> None:
        """A page: the newest messages, without a hole among them."""
        mode, messages = frame["mode"], frame["messages"]
        if mode == "page" and self.cursor is not None:
            self._complain("rules", "a page, though it came with a cursor")
        if mode == "reset":
            if self.cursor is None:
                self._complain("rules", "a reset, though it held nothing")
            else:
                self.resets.append(Reset(self.cursor, frame["head"]))
            self._seen.clear()
        self._is_live = True  # nothing that was missed comes after it
        seqs = [message["seq"] for message in messages]
        if any(one + 1 != other for one, other in pairwise(seqs)):
            self._complain("missing", f"{mode}: a hole in {seqs}")
        self.messages.clear()
        self.first_seq = seqs[0] if seqs and frame["more"] else 1
        if seqs and not frame["more"] and seqs[0] != 1:
            self._complain("missing", f"{mode}: begins at {seqs[0]}, and says that is all")

    def _take_change(self, frame: Frame) -> None:
        pos = frame["pos"]
        if not self.joined or self.cursor is None:
            self._complain("order", f"{pos} before the history")
            return
        self._is_live = True
        is_news = pos > self.cursor
        is_answer = self._is_answer(frame, is_news=is_news)
        if "ref" in frame and not is_answer:
            self._complain("rules", f"nobody here asked for {frame}")
        if is_news:
            self.cursor = pos
            if not is_answer:
                self._check_type(frame)
            self._keep(frame)
        elif not is_answer:
            kind = "doubled" if pos in self._seen else "order"
            self._complain(kind, f"{pos} at {self.cursor}: {frame}")
        # else no news: what we do not hold by now is older than the page that we began with
        self._seen.add(pos)

    def _is_answer(self, frame: Frame, *, is_news: bool) -> bool:
        """Whether it answers a command of this connection, which was not answered yet."""
        if "ref" in frame:
            key = ("ref", frame["ref"])
        elif frame["user"]["id"] != self.user or frame["type"] != "chat.message":
            return False
        elif is_news and self._is_new(frame):
            return False  # what everybody gets; who sent it on two connections is answered yet
        else:
            key = ("client_id", frame["client_id"])
        asked = self._answers[key] > 0
        self._answers[key] -= asked
        return asked

    def _is_new(self, frame: Frame) -> bool:
        return frame["id"] not in self.messages and frame["seq"] >= self.first_seq

    def _check_type(self, frame: Frame) -> None:
        """Plain clients show what comes as a `chat.message` as a new one, and nothing else."""
        kind, changed = frame["type"], {"edited", "deleted", "reactions"} & frame.keys()
        if (kind == "chat.message") != self._is_new(frame):
            self._complain("rules", f"new or known, and comes as the other: {frame}")
        for one in ("edited", "deleted"):
            if kind == f"chat.{one}" and one not in changed:
                self._complain("rules", f"it is not {one}: {frame}")

    def _keep(self, message: Frame) -> None:
        known = self.messages.get(message["id"])
        if known is None or known["pos"] < message["pos"]:
            self.messages[message["id"]] = {
                name: value for name, value in message.items() if name not in ("type", "ref")
            }

    def _complain(self, kind: str, what: str) -> None:
        self.problems.append(Problem(kind, what))
