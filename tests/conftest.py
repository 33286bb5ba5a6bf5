"""Fixtures for every test, and the servers that they run against.

The servers start when this file is loaded: settings name them, and the conftest.py of a folder
below may import models, which needs settings.
"""

import atexit
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import environment

_session = ExitStack()
atexit.register(_session.close)  # where pytest itself fails
environment.enter(_session)

import django  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402

django.setup()
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

from tests.support import databases, servers  # noqa: E402

StartServer = Callable[..., servers.ChatServer]


def pytest_configure() -> None:
    # End as on Ctrl-C, which stops the servers; Python itself would end without.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", returncode=143))


def pytest_unconfigure() -> None:
    _session.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers of a failed test have logged."""
    report = yield
    if report.failed:
        for server in servers.running:
            report.sections.append((f"log of {server.url}", server.log.read_text()[-10_000:]))
    return report


@pytest.fixture(scope="session")
def template_database() -> Iterator[str]:
    """The URL of a migrated database with the demo, to be copied only."""
    with databases.migrated() as url:
        yield url


@pytest.fixture(scope="module")
def server(template_database: str) -> Iterator[servers.ChatServer]:
    """The real server, with the demo's accounts, for the tests of one file."""
    with servers.chat_server(template_database) as running:
        yield running


@pytest.fixture
def start_server(template_database: str) -> Iterator[StartServer]:
    """Start servers of this test's own: `start_server(env={…}, beside=another)`."""
    with ExitStack() as stack:

        def start(**options: Any) -> servers.ChatServer:
            return stack.enter_context(servers.chat_server(template_database, **options))

        yield start


@pytest.fixture
def clean_redis() -> Iterator[str]:
    """The URL of an empty Redis, emptied again afterwards."""
    import redis

    url = django_settings.REDIS_URL
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()
