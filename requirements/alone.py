"""Run a command while nobody else runs one by this: python requirements/alone.py COMMAND …

The lock is the kernel's, on this file, and the command inherits it: it ends with the last process
of the command, however that ends, and leaves nothing that could go stale. For any Python 3;
flock(1) would do, and is not everywhere.
"""

import fcntl
import os
import sys
from pathlib import Path

lock = Path(__file__).open("a")  # noqa: SIM115 - for as long as the command lives
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.stdout.write("Another make is installing into .venv. Waiting for it …\n")
    sys.stdout.flush()
    fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock.fileno(), True)
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
