"""Ports for the servers of tests."""

import random

from core.local.embedded.ports import LOWEST, is_free
from tests.support import workers

FIRST = 11_000

# Under those that embedded servers choose from, and none twice: a test may stop its server and
# start it again, and meanwhile no other may have its port. So each worker has ports of its own.
_ours = range(FIRST + workers.NUMBER, LOWEST, workers.COUNT)
_ports = iter(random.sample(_ours, len(_ours)))


def free_port() -> int:
    return next(port for port in _ports if is_free(port))
