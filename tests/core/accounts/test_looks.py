"""Which names look the same."""

import itertools

import pytest

from core.accounts.looks import alike, looks_of

ALIKE = [
    ["Alice", "ALICE", "Аlice", "AIice", "A1ice", "Ａｌｉｃｅ", "𝐀𝐥𝐢𝐜𝐞", "alice"],
    ["Bob", "ВОВ", "B0b", "bob"],
    ["Иван", "ИВАН"],
    ["Müller", "Mu\u0308ller", "MÜLLER"],
    ["Straße", "STRASSE"],
    ["Bernie", "Bemie"],
    ["Ann Lee", "ann  lee", "Ann\u00a0Lee"],
]


@pytest.mark.parametrize("names", ALIKE, ids=lambda names: names[0])
def test_names_that_people_take_for_the_same(names: list[str]) -> None:
    for other in names[1:]:
        assert alike([names[0], other]) == {names[0], other}


def test_other_names_are_others() -> None:
    names = ["Alice", "Alicia", "Bob", "Rob", "José", "Jose", "Иван", "Ивана", "김", "金", "Ann"]
    assert alike(names) == set()
    for one, other in itertools.combinations(ALIKE, 2):
        assert alike([one[0], other[0]]) == set()


def test_who_stands_there_twice_looks_like_themselves() -> None:
    assert alike(["Ann", "Ann", "Bob"]) == {"Ann"}


def test_a_look_is_the_same_whoever_asks() -> None:
    assert looks_of("ALICE") == looks_of("Alice") == looks_of("Аlice")[:1]
