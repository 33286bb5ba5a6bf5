"""What people may call themselves, and which names look the same.

Nobody is refused for sharing a name: those whose names look alike are shown with their usernames.
But no name may claim an office, or hide a part of itself.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from confusable_homoglyphs.categories import alias
from confusable_homoglyphs.confusables import confusables_data

from core.visible import hides_nothing, without_unseen

# What people are called who have a say here. Of the long ones a part of a word is enough, and of
# those in scripts that write words together.
_WORDS = """
admin admins sysadmin administrator administrators administrador administrateur administratrice
amministratore administratorin moderator moderators mod mods moderador moderadora moderateur
moderatrice moderatore moderatorin staff staffer official officiel offiziell oficial verified
verifie verifiziert verificado superuser system support owner sysop webmaster
админ админы администратор администрация модератор модераторы поддержка официальный официально
管理员 管理員 版主 客服 官方 管理者 管理人 運営 公式 モデレーター 관리자 운영자 모더레이터
मॉडरेटर مشرف مدير
"""
_LONG = 8  # letters
_HANDLE = re.compile(r"(?<!\w)@+")
_DRESSED = re.compile(
    r"(LATIN LETTER SMALL CAPITAL|SQUARED LATIN CAPITAL LETTER|SYMBOL LETTER) \w$"
)
_WORD = re.compile(r"[^\W_]+")
_CHECK_MARKS = re.compile("[\u221a\u2611\u2705\u2713\u2714\u2bbd\U0001f5f8\U0001f5f9]")

INVISIBLE = "A name cannot contain invisible characters."
OF_OFFICE = (
    "A name cannot contain a check mark or a word like “admin” or “moderator”: staff and"
    " moderators are marked by the chat itself. Choose another."
)
WITH_HANDLE = "A name cannot have an “@” before a word: that is how usernames are shown."
DISGUISED = (
    "This username looks as if it were in Latin letters, and is not. Choose another one; you can"
    " have it as your display name."
)


def problem_with(name: str, *, has_power: bool = False) -> str:
    """Why nobody may choose this name, as a sentence; "" where nothing is wrong. Who has power may
    say so in their name."""
    if not hides_nothing(name):
        return INVISIBLE
    if _HANDLE.search(unicodedata.normalize("NFKC", name)):
        return WITH_HANDLE
    return OF_OFFICE if not has_power and _claims_office(name) else ""


def problem_with_username(name: str, *, has_power: bool = False) -> str:
    """The same of a username, which is what tells people of one name apart."""
    return problem_with(name, has_power=has_power) or (DISGUISED if is_disguised(name) else "")


def is_disguised(name: str) -> bool:
    """Whether it has letters of other scripts, and looks as if it had none."""
    is_foreign = any(each.isalpha() and alias(each) != "LATIN" for each in name)
    return is_foreign and all(look.isascii() for look in looks_of(name))


def cleaned(name: str) -> str:
    """`name`, from elsewhere, without what nobody may choose; "" where nothing else is in it."""
    name = name if hides_nothing(name) else without_unseen(name)
    plain = unicodedata.normalize("NFKC", name)
    if _HANDLE.search(plain):
        name = without_unseen(_HANDLE.sub("", plain))
    if _claims_office(name):
        plain = _CHECK_MARKS.sub("", name)
        kept = _WORD.sub(lambda word: "" if _claims_office(word[0]) else word[0], plain)
        name = without_unseen(kept).strip(" -_.,()[]|/")
    # What is left may say it across its words, as "mod erator" does, or be nothing.
    return name if hides_nothing(name) and not _claims_office(name) else ""


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
    similar = confusables_data.get(character, ())
    if len(similar) != 1:
        return character
    other: str = similar[0]["c"]
    # Of a pair either would do, if it is one letter that may be looked up in its turn.
    is_pair = len(other) == 1 and len(confusables_data.get(other, ())) == 1
    return min(character, other) if is_pair else other


def _claims_office(name: str) -> bool:
    spelled = "".join(map(_letter, name))
    looks = {*looks_of(name), *looks_of(spelled)}
    return bool(_CHECK_MARKS.search(name)) or any(map(_is_of_office, looks))


def _is_of_office(look: str) -> bool:
    words = _plain(look).split()
    together = "".join(words)
    if len(words) == len(together):  # "m o d"
        words.append(together)
    return not _OFFICES.isdisjoint(words) or any(office in together for office in _WITHIN)


def _plain(look: str) -> str:
    """Letters, digits and spaces; without accents."""
    signs = unicodedata.normalize("NFKD", look)
    letters = (each for each in signs if unicodedata.category(each)[0] != "M")
    return "".join(each if each.isalnum() else " " for each in letters).replace("rn", "m")


def _letter(sign: str) -> str:
    """The letter that a small capital or a letter in a box is, which have no other relation."""
    name = unicodedata.name(sign, "")
    return name[-1].lower() if _DRESSED.search(name) else sign


_OFFICES = {_plain(look) for word in _WORDS.split() for look in looks_of(word)}
_WITHIN = {each for each in _OFFICES if len(each) >= _LONG or each.upper() == each.lower()}
