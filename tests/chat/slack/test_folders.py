import unicodedata

import pytest

from chat.slack.folders import Claim, settle


def nfd(name: str) -> str:
    return unicodedata.normalize("NFD", name)


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["café"], {"C1": ["café"]}),
        ([nfd("café")], {"C1": [nfd("café")]}),
        (["CAFÉ"], {"C1": ["CAFÉ"]}),
        (["C1"], {"C1": ["C1"]}),
        (["café", nfd("café")], {"C1": ["café", nfd("café")]}),
        (["café".encode().decode("cp437")], {"C1": ["café".encode().decode("cp437")]}),
        (["cafe"], {}),
        (["café/old"], {}),
        ([], {}),
    ],
)
def test_a_room_finds_its_folder_however_that_is_spelled(
    folders: list[str], found: dict[str, list[str]]
) -> None:
    assert settle([Claim("C1", ("café", "C1"))], folders) == found


def test_of_names_that_are_alike_each_room_keeps_its_own_folder() -> None:
    claims = [Claim("D1", ("", "D1")), Claim("C2", ("d1", "C2"))]
    assert settle(claims, ["D1", "d1"]) == {"D1": ["D1"], "C2": ["d1"]}


@pytest.mark.parametrize("folder", ["plan", "Plan", "PLAN"])
def test_one_folder_of_two_rooms_goes_to_the_more_private(folder: str) -> None:
    """A disk that knows no case made one of two."""
    claims = [Claim("G1", ("Plan", "G1")), Claim("C1", ("plan", "C1"))]
    assert settle(claims, [folder]) == {"G1": [folder]}


def test_a_spoiled_name_that_may_be_of_two_rooms_is_of_none() -> None:
    """Talk of the one would be shown to the readers of the other."""
    spoiled = b"\x81".decode("cp437")
    claims = [
        Claim("G1", (b"\x81".decode("cp866"), "G1")),
        Claim("C1", (b"\x81".decode("mac-roman"), "C1")),
    ]
    assert settle(claims, [spoiled]) == {}
    assert settle(claims[:1], [spoiled]) == {"G1": [spoiled]}


def test_a_folder_is_not_guessed_for_a_room_that_has_one() -> None:
    spoiled = "büro".encode().decode("cp437")
    assert settle([Claim("C1", ("büro", "C1"))], ["büro", spoiled]) == {"C1": ["büro"]}
