"""What people may call themselves: no name may claim an office, show a username, or hide a part of
itself. Nobody is refused for sharing a name (core/accounts/looks.py)."""

import re
import unicodedata
from functools import cache

from core.accounts.looks import looks_of
from core.visible import hides_nothing, without_unseen

# What people are called who have a say here …
_WORDS = """
admin admins superadmin sysadmin mod mods supermod chatmod modbot modteam staff staffer official
officiel offiziell oficial verified verifie verifiziert verificado superuser system support owner
sysop webmaster
админ админы стафф мод модер поддержка
"""
# … and what is also in the middle of words: stems, and words of scripts that write them together.
_STEMS = """
administra amministra moderat moderad админист модерат официальн 管理员 管理員 版主 客服 官方 管理者
管理人 運営 公式 モデレーター 관리자 운영자 모더레이터 मॉडरेटर مشرف مدير
"""
_HANDLE = re.compile(r"(?<!\w)@+")
_DRESSED = re.compile(
    r"(LATIN LETTER SMALL CAPITAL|SQUARED LATIN CAPITAL LETTER|SYMBOL LETTER) \w$"
)
# Between the words of "TheAdmin2".
_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_WORD = re.compile(r"[^\W_]+")
_CHECK_MARKS = re.compile(
    "[\u221a\u237b\u23b7\u2611\u2705\u2713\u2714\u2bbd\U00010102\U0001f5f8\U0001f5f9\U0001fbb1]"
)

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
    from confusable_homoglyphs.categories import alias  # 50 ms, for who needs it

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


def _claims_office(name: str) -> bool:
    # As it stands, with letters for small capitals, and "TheAdmin2" in its parts.
    spelled = "".join(map(_letter, name.replace("|", " ")))
    parts = _BOUNDARY.sub(" ", spelled)
    looks = {look for each in (name, spelled, parts) for look in looks_of(each)}
    return bool(_CHECK_MARKS.search(name)) or any(map(_is_of_office, looks))


def _is_of_office(look: str) -> bool:
    words = _plain(look).split()
    together = "".join(words)
    if len(words) == len(together):  # "m o d"
        words.append(together)
    return any(office in words for office in _offices(_WORDS)) or any(
        office in together for office in _offices(_STEMS)
    )


def _plain(look: str) -> str:
    """Letters, digits and spaces; without accents."""
    signs = unicodedata.normalize("NFKD", look)
    letters = (_letter(each) for each in signs if unicodedata.category(each)[0] != "M")
    return "".join(each if each.isalnum() else " " for each in letters).replace("rn", "m")


def _letter(sign: str) -> str:
    """The letter that a small capital or a letter in a box is, which have no other relation."""
    name = unicodedata.name(sign, "")
    return name[-1].lower() if _DRESSED.search(name) else sign


@cache
def _offices(words: str) -> set[str]:
    return {_plain(look) for word in words.split() for look in looks_of(word)}
