"""Fixtures for the servers of a developer's machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.embedded import Share
from tests.support.checkout import Checkout
from tests.support.processes import processes_of


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A folder whose servers are stopped, whatever the test did to them."""
    yield tmp_path
    share = Share(tmp_path)
    share.start([])
    share.close()
    assert not processes_of(tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "chat")
    yield checkout
    for process in checkout.processes():  # of a test that failed
        process.kill()
