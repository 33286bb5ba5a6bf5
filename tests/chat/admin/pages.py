"""Asking the admin for a page, and seeing what it asked the database."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

HOUSEKEEPING = "^(SAVEPOINT|RELEASE|BEGIN|COMMIT)|set_config|current_setting"
LISTS = ["room", "message", "membership", "sanction", "auditentry"]


class Page:
    """What the admin answered, and what it asked the database meanwhile."""

    def __init__(self, client: Client, address: str) -> None:
        with CaptureQueriesContext(connection) as captured:
            self.response: Any = client.get(f"/admin/{address}", secure=True)
        asked = [query["sql"] for query in captured]
        self.queries = [sql for sql in asked if not re.search(HOUSEKEEPING, sql)]
        self.settings = [sql for sql in asked if "set_config" in sql]
        self.text = self.response.content.decode()

    @property
    def rows(self) -> list[Any]:
        return list(self.response.context["cl"].result_list)

    @property
    def label(self) -> str:
        return str(self.response.context["cl"].paginator.count_label)


Look = Callable[[str], Page]


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 5, day, hour, tzinfo=UTC)
