"""Prepared statements: what is given to them is data, whatever is in it."""

from typing import Any

import pytest
from django.db import DataError

from core.database.statements import Statement, as_json, fetch

pytestmark = pytest.mark.django_db(transaction=True)

ECHO = Statement("test_echo", ["text", "bigint"], "SELECT $1, $2")
ROWS = Statement(
    "test_rows", ["json"], "SELECT * FROM json_to_recordset($1) AS t(n int, body text)"
)

AWKWARD = [
    "'",
    "''); DROP TABLE chat_room; --",
    "\\'; SELECT 1; --",
    "a\\b\\",
    '{"a", NULL}',
    "%s %b %(x)s 100%",
    "$1 $2",
    "",
    " null ",
    "你好 👋🏽 हिन्दी",
    "two\nlines\tand \x01 control",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_comes_back_as_it_was_given(text: str) -> None:
    assert fetch((ECHO, [text, -1])) == [(text, -1)]
    assert fetch((ROWS, [as_json([{"n": 1, "body": text}])])) == [(1, text)]


def test_rows_may_lack_values() -> None:
    assert fetch((ROWS, [as_json([{"n": None, "body": "x"}, {"n": 2}])])) == [
        (None, "x"),
        (2, None),
    ]


def test_of_several_the_last_ones_rows_come_back() -> None:
    assert fetch((ECHO, ["a", 1]), (ECHO, ["b", 2])) == [("b", 2)]


@pytest.mark.parametrize("parameters", [["x", "no number"], ["x", 2**63]])
def test_what_does_not_fit_is_djangos_error(parameters: list[Any]) -> None:
    with pytest.raises(DataError):
        fetch((ECHO, parameters))
    assert fetch((ECHO, ["after", 3])) == [("after", 3)]
