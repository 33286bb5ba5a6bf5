"""Which processes are there."""

from pathlib import Path

import psutil


def processes_of(directory: Path) -> list[psutil.Process]:
    """Return the processes that were started for something in a directory, and their children.

    PostgreSQL's own children do not name it; they are found by their parent, or, as orphans, by
    where they work.
    """
    place = str(directory.resolve())
    found: set[psutil.Process] = set()
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        if any(place in word for word in words) or (process.info["cwd"] or "").startswith(place):
            found.add(process)
    return sorted(found, key=lambda process: process.pid)
