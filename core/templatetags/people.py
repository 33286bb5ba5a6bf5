"""How pages show people and times; initials and colours as in js/model/people.js."""

import re
from datetime import datetime
from unicodedata import bidirectional

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()

HUES = 12
SHORT_UNITS = {
    "year": "%(num)d y",
    "month": "%(num)d mo",
    "week": "%(num)d wk",
    "day": "%(num)d d",
    "hour": "%(num)d h",
    "minute": "%(num)d min",
}


@register.filter
def ago(time: datetime) -> str:
    """ "3 hours ago": one unit is enough for a list."""
    if (timezone.now() - time).total_seconds() < 60:
        return "just now"
    return f"{timesince(time, depth=1)} ago"


@register.filter
def short_ago(time: datetime) -> str:
    """ "3 h": the same where there is no room for words."""
    if (timezone.now() - time).total_seconds() < 60:
        return "now"
    return timesince(time, time_strings=SHORT_UNITS, depth=1)


@register.filter
def hue(user_id: int) -> int:
    return user_id % HUES


@register.filter
def isolated(name: str) -> str:
    """A name from right to left for a line without elements, as a title: it stays in its place."""
    from_right = any(bidirectional(character) in ("R", "AL") for character in name)
    return f"\u2068{name}\u2069" if from_right else name


@register.filter
def initials(name: str) -> str:
    words = [word for word in re.split(r"[\s._-]+", name) if word]
    letters = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0] for word in letters).upper() or "?"
