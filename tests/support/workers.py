"""The processes that share the tests (pytest-xdist)."""

import os
import sys

import pytest

# Half of the time a test waits for servers and browsers, so a core can have more than one.
PER_CORE = 2.5
MOST = 10

# A worker that takes the place of one that crashed has a higher number than there are workers.
COUNT = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % COUNT


def wanted(config: pytest.Config) -> int:
    """How many are worth their start: one file is done by one process, without xdist (0)."""
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and files.pop().endswith(".py"):
        return 0
    return min(MOST, int(PER_CORE * len(os.sched_getaffinity(0))))


def keep_bytecode() -> None:
    """Have Python keep what it compiles, also where the environment says otherwise.

    Each of hundreds of processes would compile all of the project anew, and pytest all the tests.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
