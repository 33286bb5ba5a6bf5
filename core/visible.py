"""What of a text can be seen. One rule for messages, names, addresses and reactions;
js/model/visible.js has the same."""

from unicodedata import bidirectional, category, combining

# Default_Ignorable_Code_Point of Unicode 17: shows nothing, whatever kind of character it is. And
# format controls that are younger than Python's tables.
_IGNORABLE = [
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
    *((0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
]
_UNSEEN = {chr(code) for first, last in _IGNORABLE for code in range(first, last + 1)}
# Signs that are drawn, and drawn blank: of Braille, of music, of hieroglyphs, of Khitan, and for an
# object that is not there.
_UNSEEN |= set("\u2800\ufffc\U0001d159\U00013441\U00013442\U00016fe4")
# No characters at all, and never to be any.
_UNSEEN |= {chr(plane | last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)}
_UNSEEN |= {chr(code) for code in range(0xFDD0, 0xFDF0)}
_UNSEEN_KINDS = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
# They choose the form of a letter: of an ideograph, of a Mongolian one.
_SELECTORS = {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
_SELECTORS |= set("\u180b\u180c\u180d\u180f")
_JOINERS = "\u200c\u200d"
_VIRAMA = 9  # the combining class of the marks that some scripts of India join letters by


def shows(character: str) -> bool:
    """Whether a reader sees anything of it. A space does not show."""
    return character not in _UNSEEN and category(character) not in _UNSEEN_KINDS


def can_be_seen(text: str) -> bool:
    """Whether there is anything in it to see."""
    return any(map(shows, text))


def hides_nothing(name: str) -> bool:
    """Whether it can be seen, and all of it can: a name could else pass for another.

    Spaces, joiners and selectors may stand where they do something, as in an emoji.
    """
    if not name.isascii():
        name = _with_stars(name)
    return any(shows(each) and category(each)[0] != "M" for each in name) and all(
        _joins(name, place) if each in _JOINERS else each == " " or _shows_in(name, place)
        for place, each in enumerate(name)
    )


def without_unseen(text: str) -> str:
    """`text` without what nobody sees, in single spaces."""
    kept = (each if shows(each) else " " * each.isspace() for each in text)
    return " ".join("".join(kept).split())


def _with_stars(name: str) -> str:
    """In place of emoji, in which joiners and selectors do something."""
    from emoji import emoji_list  # a tenth of a second, which most commands need not spend

    for match in reversed(emoji_list(name)):
        name = f"{name[: match['match_start']]}★{name[match['match_end'] :]}"
    return name


def _shows_in(name: str, place: int) -> bool:
    if name[place] in _SELECTORS:
        return place > 0 and category(name[place - 1]) == "Lo"
    return shows(name[place])


def _joins(name: str, place: int) -> bool:
    """Whether the joiner there does something: between letters of a script that has it (the rule of
    RFC 5892, A.1 and A.2, which is that of addresses)."""
    before, after = name[place - 1 : place], name[place + 1 : place + 2]
    if not before or not after:
        return False
    if combining(before) == _VIRAMA:
        return category(after)[0] == "L"
    return bidirectional(before) in ("AL", "NSM") and bidirectional(after) == "AL"
