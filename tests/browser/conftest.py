"""A real browser in front of the real server.

These tests are plain functions: Playwright's synchronous API runs an event loop of its own in the
main thread, so asynchronous tests and the ORM stay out of this folder (`server.manage(…)` changes
data). The browser lives as long as this folder's tests, no longer, for the same reason.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support import chromium
from tests.support.servers import ChatServer

NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="package")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with sync_playwright() as playwright:
        try:
            with capture.global_and_fixture_disabled():  # an installation shows its progress
                path = chromium.executable(playwright)
        except chromium.NoChromium as error:
            pytest.fail(str(error), pytrace=False)
        running = playwright.chromium.launch(executable_path=path, args=chromium.flags())
        yield running
        running.close()


@pytest.fixture
def new_context(browser: Browser, server: ChatServer) -> Iterator[NewContext]:
    """Open browser windows that share nothing, each as of another person.

    Takes Playwright's options: `new_context(viewport={…}, color_scheme="dark")`. A path such as
    `/chat/` is enough for `goto`. An error in a page's own script fails the test.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def new(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"base_url": server.url, **options})
        context.set_default_timeout(10_000)
        context.on("weberror", lambda failure: errors.append(str(failure.error)))
        contexts.append(context)
        return context

    yield new
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A page in a window of its own."""
    return new_context().new_page()
