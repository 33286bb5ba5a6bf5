"""Which names look the same. Those who share one are shown with their usernames."""

import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

from core.visible import without_unseen


@lru_cache(20_000)
def looks_of(name: str) -> tuple[str, ...]:
    """Two names that share one of these are taken for the same: "Alice", "ALICE", "AIice", and
    "Аlice" with a Cyrillic letter. Not to be shown.

    The skeleton of UTS 39 (section 4), without capitals: once they go first, so that "ИВАН" is
    "Иван", and once they are compared first, so that "ВОВ", which is Cyrillic, is "BOB". The
    skeleton takes "I" for "l", and small letters make "i" of it: here all three are one.
    """
    plain = unicodedata.normalize("NFKC", name)
    small = _skeleton(plain.casefold())
    large = _skeleton(_skeleton(plain).casefold())
    return (small,) if small == large else (small, large)


def alike(names: Iterable[str]) -> set[str]:
    """Those of `names` that look like another one of them, or stand there twice."""
    bearers: dict[str, list[str]] = {}
    for name in names:
        for look in looks_of(name):
            bearers.setdefault(look, []).append(name)
    return {name for several in bearers.values() if len(several) > 1 for name in several}


def _skeleton(text: str) -> str:
    seen = unicodedata.normalize("NFD", without_unseen(text))
    return unicodedata.normalize("NFC", "".join(map(_prototype, seen))).replace("i", "l")


def _prototype(character: str) -> str:
    """The one that stands for all that look like `character`.

    The library lists, for each, those that it looks like: for a prototype all of the others, for
    another only its prototype.
    """
    similar = _similar().get(character, ())
    if len(similar) != 1:
        return character
    other: str = similar[0]["c"]
    # Of a pair either would do, if it is one letter that may be looked up in its turn.
    is_pair = len(other) == 1 and len(_similar().get(other, ())) == 1
    return min(character, other) if is_pair else other


@cache
def _similar() -> dict[str, list[dict[str, str]]]:
    from confusable_homoglyphs.confusables import confusables_data  # 50 ms, for who needs them

    return confusables_data
