"""Initials and colours for people, the same as the page's scripts make (js/people.js)."""

import re

from django import template

register = template.Library()

HUES = 12


@register.filter
def hue(user_id: int) -> int:
    return user_id % HUES


@register.filter
def initials(name: str) -> str:
    words = [word for word in re.split(r"[\s._-]+", name) if word]
    letters = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0] for word in letters).upper() or "?"
