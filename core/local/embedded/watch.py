"""Servers that die while they are used are started again, on the same port: URLs stay right.

Each process that uses them watches; whoever gets the start lock first starts what is missing, and
the others find it running.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from core.local.embedded.server import GivenUp, Server, has_ended

GLANCE = 0.5  # seconds between two looks at whether it lives
PAUSES = (0, 1, 2, 4, 8, 16, 32, 60)  # seconds before each try, and the last before all further
STEADY = 60  # seconds after which a server that lived counts as healed

logger = logging.getLogger(__name__)


def keep_running(
    server: Server,
    url: str,
    lock: Callable[[], AbstractContextManager[object]],
    closed: threading.Event,
) -> None:
    """Watch a server that runs, until `closed` is set; `lock` is what starting happens under."""
    step = 0
    while True:
        process, began = server.find(), time.monotonic()
        while process and not has_ended(process):
            if closed.wait(GLANCE):
                return
        if time.monotonic() - began > STEADY:
            step = 0
        if closed.wait(PAUSES[step]):
            return
        step = min(step + 1, len(PAUSES) - 1)  # never given up: a full disk has room again one day
        try:
            with lock():
                if closed.is_set():  # stopped by us, or about to be
                    return
                if server.revive(url, closed):
                    logger.warning("%s had ended, and runs again.", server.name)
        except GivenUp:
            return
        except Exception as error:  # whatever it is, it must not end the watch unseen
            logger.warning(
                "%s has ended, and does not start; it is tried again: %s", server.name, error
            )
