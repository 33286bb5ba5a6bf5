"""The names that people choose: what is in one can be seen, or it could pass for another."""

from unicodedata import bidirectional, category, combining

JOINERS = "\u200c\u200d"
# Letters, signs and marks to Unicode, and nothing to the eye.
BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
VIRAMA = 9  # the combining class of the marks that some scripts of India join letters by


def can_be_seen(name: str) -> bool:
    return any(category(character)[0] in "LNPS" for character in name) and all(
        _joins(name, place) if character in JOINERS else _shows(character)
        for place, character in enumerate(name)
    )


def _shows(character: str) -> bool:
    return character.isprintable() and character not in BLANKS


def _joins(name: str, place: int) -> bool:
    """Whether the joiner there does something: between letters of a script that has it (the rule of
    RFC 5892, A.1 and A.2, which is that of addresses), or within an emoji."""
    before, after = name[place - 1 : place], name[place + 1 : place + 2]
    if not before or not after:
        return False
    if category(after) == "So":
        return category(before) in ("So", "Sk") or before == "\ufe0f"
    if combining(before) == VIRAMA:
        return category(after)[0] == "L"
    return bidirectional(before) in ("AL", "NSM") and bidirectional(after) == "AL"
