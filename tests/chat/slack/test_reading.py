"""A list as a stream gives what the whole would have given, wherever the pieces are cut."""

import codecs
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.slack import reading
from chat.slack.files import Unreadable
from chat.slack.reading import entries_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.booleans(), st.sampled_from([None, 1]))
def test_any_list_in_any_pieces_reads_as_the_whole(
    values: list[Any], size: int, ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode()
    assert list(entries_of(pieces(data, size))) == values


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("utf-32-le", codecs.BOM_UTF32_LE),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_other_encodings_of_unicode_are_known_by_their_first_bytes(
    encoding: str, mark: bytes, size: int
) -> None:
    data = mark + '["日本 😀", 17]'.encode(encoding)
    assert list(entries_of(pieces(data, size))) == ["日本 😀", 17]


def test_half_of_a_character_is_handed_on_as_it_is() -> None:
    assert list(entries_of([b'["\\ud83d", "\\u0000"]'])) == ["\ud83d", "\0"]


@pytest.mark.parametrize(
    ("text", "read", "why"),
    [
        ("", [], "is not JSON"),
        ("<html>", [], "is not JSON"),
        ('{"a": 1}', [], "is not a list of entries"),
        ("17", [], "is not a list of entries"),
        ("[", [], "after 0 entries"),
        ("[1,", [1], "after 1 entries"),
        ("[1, 2", [1, 2], "the end of the list is missing, after 2"),
        ("[1 2]", [1], "a comma or the end of the list is missing, after 1"),
        ("[1,]", [1], "Expecting value, after 1"),
        ("[1] [2]", [1], "there is more after the list"),
        ('[1, {"a": nope}]', [1], "Expecting value, after 1"),
        ('["half', [], "Unterminated string"),
        ("[1, " + "[" * 200_000, [1], "too deep"),
        ("[1, " + "9" * 5_000 + "]", [1], "after 1"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_what_is_no_list_is_told_with_its_place(
    text: str, read: list[Any], why: str, size: int
) -> None:
    if size == 1 and len(text) > 100_000:
        size = 1_000
    got: list[Any] = []
    with pytest.raises(Unreadable, match=why):
        got.extend(entries_of(pieces(text.encode(), size)))
    assert got == read


def test_bytes_that_are_no_text_are_told() -> None:
    with pytest.raises(Unreadable, match="is not text in UTF-8"):
        list(entries_of([b'["\xff"]']))


def test_an_entry_may_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ENTRY_MAX", 1_000)
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        yield b'[1, "'
        while True:
            asked += 1
            yield b"x" * 100

    with pytest.raises(Unreadable, match="over 1,000 characters"):
        list(entries_of(endless()))
    assert asked < 50
