"""Ending with the process that started us, however that ends: nobody stops what it leaves behind.

END_WITH is its number. `make` and the outer process of `manage.py runserver` set it; after kill -9
they pass no signal on.
"""

import os
import signal
import threading
import time

LOOK_EVERY = 0.2  # seconds
END_WITHIN = 12  # seconds for an orderly end, sockets and accepted writes included


def watch() -> None:
    """From here on end in order, as on SIGTERM, once END_WITH is gone."""
    parent = os.environ.pop("END_WITH", "")  # not for processes that we start
    if parent.isdecimal():
        threading.Thread(target=_watch, args=[int(parent)], daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_WITHIN)
    os._exit(1)  # it hangs
