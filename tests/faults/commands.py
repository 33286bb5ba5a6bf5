"""What a client wants done, and what became of it."""

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]

EMOJI = ("👍", "🎉", "😄", "🙏")
WORDS = ["tea", "rain", "bridge", "lamp", "green", "seven", "paper", "river", "stone", "bread"]


@dataclass
class Command:
    """Kept, and sent again on each new connection, until it is answered."""

    key: str  # its client_id, or its ref
    frame: Frame
    issued: float
    sent_on: int = 0  # the number of the connection that it was last sent on
    retry_at: float = 0.0  # not before

    @property
    def about(self) -> int | None:
        """The message that it changes."""
        return self.frame.get("id")


@dataclass
class Own:
    """A message of the client's own, as far as the server has confirmed."""

    id: int
    seq: int
    token: str  # what its text begins with, whatever edits came
    text: str
    deleted: bool = False
    revised: int = 0  # edits and deletes that were issued


@dataclass
class Effects:
    """What a client was told is done. The database must agree."""

    posts: dict[str, Own] = field(default_factory=dict)  # by client_id
    reactions: dict[tuple[int, str], bool] = field(default_factory=dict)
    confirmed: int = 0

    def own(self, pk: int) -> Own | None:
        return next((own for own in self.posts.values() if own.id == pk), None)


class Plan:
    """Makes up commands, from a generator of its own: the same seed makes up the same."""

    def __init__(self, name: str, seed: str) -> None:
        self.name = name
        self.random = random.Random(seed)
        self._posts = 0
        self._refs = 0

    def post(self, *, size: int = 0) -> Frame:
        self._posts += 1
        # The first word tells this message from every other one, whatever its client_id becomes.
        text = f"{self.name}-{self._posts} {self.words()}".ljust(size, ".")
        frame = {"message": text, "client_id": str(uuid.UUID(int=self.random.getrandbits(128)))}
        if self.random.random() < 0.5:
            frame |= {"type": "chat.message", "ref": self._ref()}
        return frame

    def edit(self, own: Own) -> Frame:
        own.revised += 1
        text = f"{own.token} edit {own.revised} {self.words()}"
        return {"type": "chat.edit", "id": own.id, "message": text, "ref": self._ref()}

    def delete(self, own: Own) -> Frame:
        own.revised += 1
        return {"type": "chat.delete", "id": own.id, "reason": "enough", "ref": self._ref()}

    def react(self, pk: int, effects: Effects) -> Frame:
        emoji = self.random.choice(EMOJI)
        on = not effects.reactions.get((pk, emoji), False)
        return {"type": "chat.react", "id": pk, "emoji": emoji, "on": on, "ref": self._ref()}

    def words(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 8)))

    def _ref(self) -> str:
        self._refs += 1
        return f"{self.name}/{self._refs}"
