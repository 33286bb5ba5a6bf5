"""What may stand in a room's address, and the addresses that we make for private rooms."""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.crypto import get_random_string

from core.visible import shows

# What an address of a room looks like to a router. Python's \w knows no marks, so of what is beyond
# ASCII all goes on to be looked up; `stands_in_slug` says what may come into being.
SLUG_PATTERN = r"[-\w\u0080-\U0010ffff]+"


SLUG_MAX = 80


# An address that we make is a kind, "--" and 16 of these signs, or the 32 hexadecimal digits of the
# trigger chat_room_unguessable. That (migration 0008) has the same rule, only wider: it takes any
# 16 small letters and digits, or more, for ours.
_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"


_KINDS = "(private|direct)"


_MADE = re.compile(f"{_KINDS}([{_SIGNS}]{{16}}|[0-9a-f]{{32}})")


def stands_in_slug(character: str) -> bool:
    """A letter of any script, a mark on one (हिन्दी is another word without), a digit, "-", "_"."""
    is_letter = character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")
    return (is_letter and shows(character)) or character in "-_"


def validate_slug(slug: str) -> None:
    if not all(map(stands_in_slug, slug)):
        raise ValidationError("An address has letters, digits, “-” and “_” only.")


def unguessable_slug(kind: str) -> str:
    """An address that nobody finds by trying."""
    return f"{kind}--{get_random_string(16, _SIGNS)}"


def made_address(name: str) -> str:
    """The address of our making that `name` spells; empty where it spells none.

    Only letters and digits count: people write capitals, programs turn "--" into a dash or break
    the line, and an open room at what is left would look the same to whoever looks for theirs.
    """
    made = _MADE.fullmatch("".join(filter(str.isalnum, _folded(name))))
    return "--".join(made.groups()) if made else ""


def is_unguessable(slug: str) -> bool:
    """Whether it is one that we made."""
    return slug != "" and made_address(slug) == slug


def is_nearly_made(slug: str) -> bool:
    """Whether it begins like one that we made, and is none: cut short, or with a letter more."""
    kept = "".join(each for each in _folded(slug) if each.isalnum() or each == "-")
    return re.match(f"{_KINDS}--", kept.lstrip("-")) is not None and not made_address(slug)


def _folded(text: str) -> str:
    """Without capitals, wide letters and the like."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
