"""A browser without JavaScript, for tests against a running server."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.servers import ChatServer


class Page(httpx.Client):
    """Its cookies are those that the server sets, whatever they are called."""

    def __init__(self, server: ChatServer) -> None:
        super().__init__(base_url=server.url, headers={"Origin": server.url}, timeout=30)

    def fill_in(self, path: str, **fields: str) -> httpx.Response:
        """Send the form that is on a page."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path).text)
        assert found, f"there is no form on {path}"
        return self.post(path, data={**fields, "csrfmiddlewaretoken": found[1]})


@pytest.fixture
def sign_in() -> Iterator[Callable[[ChatServer, str], Page]]:
    """Sign one of the demo's people in: `sign_in(server, "alice")`."""
    with ExitStack() as stack:

        def sign_in(server: ChatServer, name: str) -> Page:
            page = stack.enter_context(Page(server))
            answer = page.fill_in("/accounts/sign-in/", username=name, password="demo")
            assert answer.status_code == 302
            return page

        yield sign_in
