"""A page that is open while a developer saves a file: `manage.py runserver` begins anew.

It takes some seconds: a development server is started, twice.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.acting import enter, new_room, say, stored
from tests.support import databases
from tests.support.checkout import Checkout, end, until_it_says


@pytest.fixture
def developers(tmp_path: Path, template_database: str) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "chat")
    yield checkout
    checkout.close()


def test_an_open_page_comes_back_by_itself_and_sends_what_was_written_meanwhile(
    developers: Checkout, template_database: str, new_context: Any
) -> None:
    with databases.copied(template_database) as url:
        env = {"DATABASE_URL": url, "REDIS_URL": os.environ["REDIS_URL"]}
        process = developers.serve("runserver", **env)
        context = new_context(base_url=f"http://127.0.0.1:{developers.port}")
        page = enter(context, new_room())
        say(page, "before")
        expect(stored(page, "before")).to_be_visible()
        (developers.directory / "chat/views.py").touch()
        until_it_says(process, "has changed")  # its sockets are closed
        say(page, "meanwhile")
        expect(stored(page, "meanwhile")).to_be_visible(timeout=30_000)
        assert page.locator(".message[data-id]").count() == 2
        page.close()
        assert end(process, signal.SIGINT)[0] == 0
