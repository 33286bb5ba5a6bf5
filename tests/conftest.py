"""Fixtures for every test, and the servers that they run against.

Settings name the servers, and the conftest.py of a folder below may import models, which needs
settings: so their addresses are chosen when this file is loaded. They start when a test needs them.
"""

import atexit
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from types import FrameType
from typing import Any

import psutil
import pytest

from tests.support import environment, order, workers

workers.keep_bytecode()
_session = ExitStack()
atexit.register(_session.close)  # where pytest itself fails
_servers = environment.Servers(_session)

import django  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402

django.setup()
django_settings.PASSWORD_HASHERS = ["tests.support.hashers.Quick"]

from django.core.management import call_command  # noqa: E402
from django.test import override_settings  # noqa: E402

from tests.support import databases, quick, servers  # noqa: E402

quick.read_no_static_files()

StartServer = Callable[..., servers.ChatServer]


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    hands_out = bool(config.getoption("tx")) and not is_worker

    def end(number: int, _: FrameType | None) -> None:
        """Stop the servers, on Ctrl-C and on SIGTERM, of which Python would end without.

        A second one must not break that off: it takes a bounded time. Workers that have not ended
        when pytest-xdist does are killed, so they are waited for.
        """
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        if hands_out:
            children = psutil.Process().children()
            for worker in children:
                worker.terminate()  # who hit Ctrl-C has told them already
            psutil.wait_procs(children, timeout=servers.PATIENCE)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        pytest.exit("SIGTERM", returncode=143)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def pytest_unconfigure() -> None:
    _session.close()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return workers.wanted(config) if environment.is_all_ours() else 0


def pytest_xdist_setupnodes() -> None:
    """Let the workers choose addresses of their own."""
    environment.forget()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order.longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers of a failed test have logged."""
    report = yield
    if report.failed:
        for server in servers.running:
            report.sections.append((f"log of {server.url}", server.log.read_text()[-10_000:]))
    return report


@pytest.fixture(scope="session", autouse=True)
def _redis() -> None:
    """It starts at once, and more tests use it than say so."""
    _servers.start("REDIS_URL")


@pytest.fixture(scope="session")
def migrated_database() -> Iterator[str]:
    """The URL of a database with all tables, to be copied only."""
    with _servers.migrated() as url:
        yield url


@pytest.fixture(scope="session")
def django_db_setup(migrated_database: str, django_db_blocker: Any) -> Iterator[None]:
    """The database of the tests that are marked django_db."""
    with (
        databases.copied(migrated_database) as url,
        django_db_blocker.unblock(),
        databases.using(url),
    ):
        yield


@pytest.fixture(scope="session")
def template_database(migrated_database: str, django_db_blocker: Any) -> Iterator[str]:
    """The URL of a database with the demo, to be copied only."""
    with databases.copied(migrated_database) as url:
        with (
            django_db_blocker.unblock(),
            databases.using(url),
            override_settings(DEBUG=True),  # which pytest-django takes away
        ):
            call_command("demo", verbosity=0)
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
