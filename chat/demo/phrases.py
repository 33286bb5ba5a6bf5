"""What people say, out of phrases.toml, and what may follow what."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

_DATA: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
SELDOM = 12  # empty beginnings for the few that there are


class Topic(NamedTuple):
    """What a room is about: `things` have `troubles`, against which there are `remedies`."""

    slug: str
    title: str
    about: str
    things: list[str]
    troubles: list[str]
    remedies: list[str]
    link: str
    technical: bool


TOPICS = [Topic(**topic) for topic in _DATA["topic"]]
SAYINGS: dict[str, list[str]] = _DATA["sayings"]
BEFORE = {kind: [""] * SELDOM + some for kind, some in _DATA["before"].items()}
AFTER = {kind: [""] * SELDOM + some for kind, some in _DATA["after"].items()}
TONGUES: list[dict[str, list[str]]] = _DATA["tongue"]
WHEN: list[str] = _DATA["when"]
SOON: list[str] = _DATA["soon"]
EMOJI: list[str] = _DATA["emoji"]
REMOVAL_REASONS: list[str] = _DATA["removal_reasons"]

# After each kind of line: what may follow, how often, and whether the one who asked says it.
Next = tuple[str, int, bool]
FOLLOWS: dict[str, tuple[Next, ...]] = {
    "question": (("answer", 5, False), ("clarify", 3, False), ("same", 2, False)),
    "share": (("agree", 3, False), ("question", 2, False), ("joke", 1, False)),
    "plan": (("agree", 5, False), ("doubt", 1, False), ("clarify", 1, False)),
    "answer": (
        ("thanks", 3, True),
        ("report", 3, True),
        ("doubt", 1, False),
        ("answer", 2, False),
        ("agree", 2, False),
    ),
    "clarify": (("detail", 5, True),),
    "detail": (("answer", 5, False), ("same", 1, False)),
    "same": (("answer", 4, False), ("joke", 1, False)),
    "doubt": (("answer", 3, False), ("report", 2, True), ("agree", 1, False)),
    "report": (
        ("answer", 2, False),
        ("agree", 2, False),
        ("joke", 1, False),
        ("question", 1, True),
    ),
    "thanks": (("welcome", 3, False), ("joke", 1, False), ("action", 1, False)),
    "welcome": (("plan", 1, False), ("share", 1, False)),
    "agree": (("plan", 1, True), ("answer", 2, False), ("joke", 1, False), ("thanks", 2, True)),
    "joke": (("joke", 1, False), ("answer", 2, False), ("agree", 1, False)),
    "snippet": (("report", 2, True), ("thanks", 2, True), ("doubt", 1, False)),
    "action": (("joke", 1, False), ("share", 1, False)),
}
OPENERS = ("question", "question", "question", "share", "plan")
