"""Fixtures of the tests that talk to a server over sockets."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from chat.rooms import addresses
from core.database.statements import Statement
from tests.presence.cluster import cluster
from tests.support.pages import sign_in
from tests.support.sockets import (
    cast,
    chat,
    chat_database,
    enter,
    redis_server,
    second,
)

__all__ = ["cast", "chat", "chat_database", "cluster", "enter"]
__all__ += ["redis_server", "second", "sign_in"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What this process asks the database, in order: a statement's text without what it is about,
    or the name of a prepared one."""
    statements: list[str] = []
    fetch = addresses.fetch

    def named(*calls: tuple[Statement, Any]) -> Any:
        statements.extend(call[0].prepare.split()[1] for call in calls)
        return fetch(*calls)

    def written(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    monkeypatch.setattr(addresses, "fetch", named)
    with connection.execute_wrapper(written):
        yield statements
