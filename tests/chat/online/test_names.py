"""Names that a process remembers: not for ever, not of everybody, and read once."""

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import Error as DatabaseError

from chat.online import names
from chat.online.names import Names
from chat.protocol.changes import Person


class Database:
    def __init__(self) -> None:
        self.names = {n: f"name {n}" for n in range(10)}
        self.reads: list[list[int]] = []
        self.is_away = False

    def read(self, pks: list[int]) -> list[Person]:
        self.reads.append(pks)
        if self.is_away:
            raise DatabaseError
        return [Person(pk, self.names[pk]) for pk in pks if pk in self.names]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    def query(read: Callable[..., Any]) -> Callable[..., Any]:
        async def later(*arguments: Any) -> Any:
            await asyncio.sleep(0.001)
            return read(*arguments)

        return later

    database = Database()
    monkeypatch.setattr(names, "_people", database.read)
    monkeypatch.setattr(names, "query", query)
    return database


def test_however_many_ask_at_once_each_is_read_once(database: Database) -> None:
    async def go() -> None:
        known = Names(Mock())
        await asyncio.gather(*(known.learn(pks) for pks in ([1, 2], [2, 1], [2, 3])))
        assert database.reads == [[1, 2], [3]]
        assert known.known(3) == Person(3, "name 3")

    asyncio.run(go())


def test_a_changed_name_is_seen_after_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "FRESH", 0.01)

    async def go() -> None:
        known = Names(Mock())
        await known.learn([1])
        database.names[1] = "renamed"
        await asyncio.sleep(0.02)
        await known.learn([1])
        assert known.known(1) == Person(1, "renamed")

    asyncio.run(go())


def test_an_old_name_is_better_than_none(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "FRESH", -1)

    async def go() -> None:
        known = Names(Mock())
        await known.learn([1])
        database.is_away = True
        await known.learn([1])
        assert known.known(1) == Person(1, "name 1")
        with pytest.raises(DatabaseError):
            await known.learn([1, 2])

    asyncio.run(go())


def test_who_is_not_there_any_more_has_a_name_too(database: Database) -> None:
    async def go() -> None:
        known = Names(Mock())
        await known.learn([99])
        assert known.known(99) == Person(99, names.DELETED)

    asyncio.run(go())


def test_of_very_many_those_needed_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "REMEMBERED", 3)
    known = Names(Mock())
    for n in range(3):
        known.remember(Person(n, f"name {n}"))
    assert known.known(0)
    known.remember(Person(2, "again"))
    known.remember(Person(3, "name 3"))
    assert [n for n in range(4) if known.known(n)] == [0, 2, 3]
