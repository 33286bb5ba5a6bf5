"""Ports for the servers of tests."""

import random

from core.local.embedded.ports import LOWEST, is_free

# Under those that embedded servers choose from, and none twice: a test may stop its server and
# start it again, and meanwhile no other may have its port.
_ports = iter(random.sample(range(11_000, LOWEST), LOWEST - 11_000))


def free_port() -> int:
    return next(port for port in _ports if is_free(port))
