"""Believable conversations for demonstrations and measurements. No database in here.

People answer each other: a question draws answers, an answer thanks or doubts. A room talks by
day, and less on two days of seven; a talk is a burst of lines, then a pause. All of it comes out of
one `random.Random`, so the same seed gives the same conversation, whatever day it is.
"""

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate

from chat.demo import phrases
from chat.demo.phrases import Topic

LINES_A_DAY = 120
DAYS_MIN, DAYS_MAX = 5, 180
MORNING = 7.5 * 3600
EVENING = 22 * 3600
PAUSE = 40.0  # seconds between two lines of one talk, on average
BUSY = 0.7  # at most this share of a day is talk, the rest pauses

_FOLLOWS = {
    kind: ([n[0] for n in nexts], list(accumulate(n[1] for n in nexts)), [n[2] for n in nexts])
    for kind, nexts in phrases.FOLLOWS.items()
}


@dataclass(slots=True)
class Line:
    """One message and what became of it. People are indexes; so is `reply_to`, within its batch."""

    author: int
    body: str
    at: datetime
    kind: str = "text"
    reply_to: int | None = None
    before_edit: str | None = None  # the text that an edit at `edited_at` replaced
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted_by: int | None = None
    reason: str = ""
    reactions: list[tuple[int, str, datetime]] = field(default_factory=list)

    @property
    def changes(self) -> list[datetime]:
        """When the line changed after it was posted; each change takes a place in the log."""
        times = [at for _, _, at in self.reactions]
        return times + [at for at in (self.edited_at, self.deleted_at) if at is not None]


def sizes(rooms: int, messages: int) -> list[int]:
    """Share `messages` out as communities do: a few busy rooms and a long tail."""
    weights = [1 / (place + 1) ** 0.9 for place in range(rooms)]
    shares = [int(messages * weight / sum(weights)) for weight in weights]
    for place in range(messages - sum(shares)):
        shares[place % rooms] += 1
    return shares


def converse(
    rng: random.Random, topic: Topic, people: Sequence[str], count: int, until: datetime
) -> Iterator[list[Line]]:
    """`count` lines about `topic`, a day in each list, oldest first, the last day before `until`.

    `people` are the names they call each other by; the first ones speak most. A day's edits,
    deletes and reactions lie before the next day's first line.
    """
    days = max(DAYS_MIN, min(DAYS_MAX, count // LINES_A_DAY))
    today = datetime.combine(until.astimezone(UTC).date(), time(), UTC)
    dates = [today - timedelta(days=days - n) for n in range(days)]
    # Weekends by counting: the calendar's would share the lines out anew each day.
    busy = list(
        accumulate(rng.uniform(0.6, 1.4) * (0.35 if n % 7 > 4 else 1.0) for n in range(days))
    )
    speakers = _Speakers(rng, people)
    done = 0
    for date, share in zip(dates, busy, strict=True):
        quota = round(count * share / busy[-1]) - done
        if quota > 0:
            done += quota
            yield _day(rng, topic, speakers, quota, date)


class _Speakers:
    """Who is in the room, how much each talks, and which language else each speaks."""

    def __init__(self, rng: random.Random, names: Sequence[str]) -> None:
        self.rng = rng
        self.names = names
        self.everybody = range(len(names))
        self.weights = list(accumulate(1 / (n + 2) for n in self.everybody))
        self.tongues = [
            rng.choice(phrases.TONGUES) if rng.random() < 0.3 else {} for _ in self.everybody
        ]

    def gather(self) -> list[int]:
        """Those who take part in one talk: two to six, the talkative more often."""
        wanted = self.rng.randint(2, 6)
        found = self.rng.choices(self.everybody, cum_weights=self.weights, k=wanted * 2)
        return list(dict.fromkeys(found))[:wanted]


def _day(
    rng: random.Random, topic: Topic, speakers: _Speakers, quota: int, date: datetime
) -> list[Line]:
    lines: list[Line] = []
    gaps: list[float] = []  # before each line; 0.0 where a talk begins
    while len(lines) < quota:
        length = min(quota - len(lines), 2 + int(rng.expovariate(1 / 8)))
        _talk(rng, topic, speakers, length=length, date=date, lines=lines)
        gaps.append(0.0)
        gaps.extend(rng.expovariate(1 / PAUSE) + 2 for _ in range(length - 1))
    for line, second in zip(lines, _spread(rng, gaps), strict=True):
        line.at = date + timedelta(seconds=second)
    for line in lines:
        _afterwards(rng, line, speakers)
    return lines


def _spread(rng: random.Random, gaps: list[float]) -> Iterator[float]:
    """Seconds of the day for the lines: talks as they are, free time between them by chance.

    On a day with more talk than hours the talks are squeezed, so the day always fits.
    """
    at = MORNING + rng.uniform(0, 5400)
    window = EVENING - at
    squeeze = min(1.0, BUSY * window / (sum(gaps) or 1.0))
    pauses = [0.0 if gap else rng.expovariate(1) for gap in gaps]
    free = (window - sum(gaps) * squeeze) / (sum(pauses) + rng.uniform(0.1, 1))
    for gap, pause in zip(gaps, pauses, strict=True):
        at += gap * squeeze + pause * free
        yield at


def _talk(
    rng: random.Random,
    topic: Topic,
    speakers: _Speakers,
    *,
    length: int,
    date: datetime,
    lines: list[Line],
) -> None:
    """Append one talk of `length` lines: somebody opens it, the others follow."""
    choice, chance = rng.choice, rng.random
    people = speakers.gather()
    asker, others = people[0], people[1:] or people
    words = {
        "thing": choice(topic.things).format(num=rng.randint(1000, 99999)),
        "trouble": choice(topic.troubles),
        "link": topic.link,
    }
    said: set[str] = set()
    kind, speaker, before, opened = choice(phrases.OPENERS), asker, choice(others), len(lines)
    for _ in range(length):
        words["remedy"] = choice(topic.remedies)
        words["when"] = choice(phrases.WHEN)
        words["soon"] = choice(phrases.SOON)
        words["num"] = str(rng.randint(2, 90))
        words["who"] = speakers.names[before]
        line = Line(speaker, _say(rng, kind, words, speakers.tongues[speaker], said), date)
        if kind == "action":
            line.kind = "action"
        elif len(lines) > opened and chance() < 0.12:
            line.reply_to = rng.randrange(max(opened, len(lines) - 4), len(lines))
        lines.append(line)

        kinds, weights, asks = _FOLLOWS[kind]
        after = bisect(weights, chance() * weights[-1])
        kind = kinds[after]
        if kind == "answer" and topic.technical and chance() < 0.2:
            kind = "snippet"
        before, speaker = speaker, asker if asks[after] else choice(others)
        if speaker == before:
            speaker = choice(people)


def _say(
    rng: random.Random,
    kind: str,
    words: dict[str, str],
    tongue: dict[str, list[str]],
    said: set[str],
) -> str:
    """Something of this `kind`, in the speaker's other language now and then, new in this talk."""
    sayings = phrases.SAYINGS[kind]
    if kind in tongue and rng.random() < 0.4:
        sayings = tongue[kind]
    template = rng.choice(sayings)
    for _ in range(3):
        if template not in said:
            break
        template = rng.choice(sayings)
    said.add(template)
    if "{commit}" in template:
        words["commit"] = f"{rng.getrandbits(36):09x}"
    text = template.format_map(words) if "{" in template else template
    if template.startswith("{thing}"):
        text = text[0].upper() + text[1:]
    if kind in phrases.BEFORE:
        ending = rng.choice(phrases.AFTER[kind]).format_map(words)
        text = rng.choice(phrases.BEFORE[kind]) + text + ending
    return text


def _afterwards(rng: random.Random, line: Line, speakers: _Speakers) -> None:
    """Now and then a line is corrected, taken back or liked, within three hours."""
    chance = rng.random()
    if chance < 0.03:
        line.before_edit = _mistyped(rng, line.body)
        line.edited_at = line.at + timedelta(seconds=rng.uniform(5, 600))
    elif chance < 0.04:
        line.deleted_at = line.at + timedelta(seconds=rng.uniform(10, 7200))
        line.deleted_by = line.author
        if rng.random() < 0.3:
            line.deleted_by, line.reason = 0, rng.choice(phrases.REMOVAL_REASONS)
    elif chance < 0.10:
        emoji = rng.choice(phrases.EMOJI)
        fans = dict.fromkeys(speakers.gather()[: rng.randint(1, 4)])
        later = (line.at + timedelta(seconds=rng.uniform(3, 7200)) for _ in fans)
        line.reactions = [(fan, emoji, at) for fan, at in zip(fans, later, strict=True)]


def _mistyped(rng: random.Random, body: str) -> str:
    """The text as it was before its author corrected it: two letters swapped."""
    places = [n for n in range(1, len(body) - 2) if body[n] != body[n + 1]]
    if not places:
        return body + " "
    place = rng.choice(places)
    return body[:place] + body[place + 1] + body[place] + body[place + 2 :]
