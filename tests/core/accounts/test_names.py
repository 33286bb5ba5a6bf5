"""What people may call themselves."""

import re

import pytest

from core.accounts.names import (
    _STEMS,
    _WORDS,
    DISGUISED,
    INVISIBLE,
    OF_OFFICE,
    WITH_HANDLE,
    cleaned,
    problem_with,
    problem_with_username,
)

_HANDLE_SHOWN = re.compile(r"(?<!\S)@")


@pytest.mark.parametrize(
    "name",
    [
        *("Moderator", "Moderator ✓", "MODERATOR", "Mоderator", "M0derator", "m.o.d", "ᴍᴏᴅᴇʀᴀᴛᴏʀ"),
        *("admin", "Аdmin", "adm1n", "Chat Admin", "ModeratorTeam", "modérateur", "Staff", "Mod"),
        *("Администратор", "管理员", "モデレーター", "관리자", "Official", "Support", "mod erator"),
        *(
            "群管理员",
            "官方账号",
            "管理者さん",
            "المشرف",
            "राम मॉडरेटर",
            "𝓶𝓸𝓭",
            "🅼🅾🅳",
            "официальный бот",
        ),
        *("Alice ✓", "Alice ✔️", "✅ Alice", "Alice ☑", "Alice\U0001f5f8"),
    ],
)
def test_no_name_claims_an_office(name: str) -> None:
    assert problem_with(name) == OF_OFFICE
    assert problem_with(name, has_power=True) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("Alice", "Guest ab12", "Badminton Bo", "Modesty", "Vice Admiral", "Staffan", "Amod"),
        *("Mo D.", "Mo D", "M. Od", "Ad Min", "김관리", "小方", "محمد", "राम", "Ada Minh"),
        *("McDonald O’Neil", "Systematic Sam", "Bob7", "Падмини", "Комод", "Moderna"),
        *("Supportive Sue", "山田太郎", "김철수", "Мод из Твери".replace("Мод", "Модест"), "★ Bo"),
    ],
)
def test_who_claims_none_is_not_refused(name: str) -> None:
    assert problem_with(name) == ""
    assert cleaned(name) == name


def test_nobody_has_what_cannot_be_seen_in_their_name() -> None:
    assert problem_with("Mo\u200b", has_power=True) == INVISIBLE


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        *(("Moderator ✓", ""), ("Bob (admin)", "Bob"), ("kube-admin", "kube"), ("Bob ✔️", "Bob")),
        *(("[mod] Bob", "Bob"), ("\u202eevil", "evil"), ("\u200b", ""), ("Mo\u3164", "Mo")),
    ],
)
def test_a_name_from_elsewhere_keeps_what_it_may(name: str, kept: str) -> None:
    assert cleaned(name) == kept
    assert not kept or problem_with(kept) == ""


@pytest.mark.parametrize(
    "name",
    ["@alice", "Alice @alice", "Bob\u00a0@bob", "Alice ＠alice", "Alice ﹫alice", "A (@a)", "A·@a"],
)
def test_no_name_shows_another_one_s_username(name: str) -> None:
    assert problem_with(name) in (WITH_HANDLE, INVISIBLE)
    assert not _HANDLE_SHOWN.search(cleaned(name))


def test_an_address_of_mail_is_a_username() -> None:
    assert problem_with_username("alice@example.com") == ""


@pytest.mark.parametrize("name", ["аlice", "раура1", "ѕсоре", "αlice", "роса"])
def test_a_username_does_not_look_like_another_script(name: str) -> None:
    assert problem_with_username(name) == DISGUISED
    assert problem_with(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "иван",
        "вова",
        "山田",
        "müller",
        "straße",
        "yıldız",
        "æ",
        "ełk",
        "김철수",
        "ελένη",
        "محمد",
        "राम",
    ],
)
def test_a_username_may_be_of_any_script(name: str) -> None:
    assert problem_with_username(name) == ""


@pytest.mark.parametrize("word", (_WORDS + _STEMS).split())
def test_each_word_of_office_is_refused_alone_and_beside_a_name(word: str) -> None:
    for name in (word, word.upper(), f"Alice {word}", f"{word}_alice"):
        assert problem_with(name) == OF_OFFICE
