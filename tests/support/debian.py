"""Programs from Debian's packages, unpacked into .venv.

Not installed: that needs root, and would start their servers on this machine.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.local.embedded import unprivileged
from tests.support.databases import ROOT

UNPACKED = ROOT / ".venv/debian"
SECONDS = 300  # for a download
PLACES = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"


class NotHere(Exception):
    """There is none and none could be had."""


def program(name: str, package: str = "") -> Path:
    """Return the machine's own, else that of Debian's package of this name, unpacked now."""
    own = shutil.which(name, path=PLACES)
    unpacked = UNPACKED / name / "usr/sbin" / name
    if own is None:
        with _alone():
            if not unpacked.exists():
                _unpack(name, package or name)
    return Path(own) if own else unpacked


def newest(name: str, pattern: str) -> Path:
    """Return the last of the machine's own files that match, else of Debian's package `name`."""
    with _alone():
        for _ in range(2):
            for place in (Path("/"), UNPACKED / name):
                if found := sorted(place.glob(pattern)):
                    return found[-1]
            _unpack(name, name)
    raise NotHere(f"Debian's package {name} has no {pattern}.")


def file(name: str, path: str) -> Path:
    """Return a file that belongs to a program: its own, else the machine's."""
    unpacked = UNPACKED / name / path
    return unpacked if unpacked.exists() else Path("/", path)


def environment(name: str) -> dict[str, str]:
    """What the program needs to find the libraries that came with it."""
    libraries = sorted({str(one.parent) for one in (UNPACKED / name).glob("usr/lib/**/*.so.*")})
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {**os.environ}


def not_as_root(name: str, command: list[str], directory: Path) -> list[str]:
    """Return `command`, which refuses to run as root, so that the user nobody runs it if we are.

    That user is given `directory`, and reads a checkout that is closed to others.
    """
    account = unprivileged.account_for(directory)
    unprivileged.give(account, directory)
    unpacked = UNPACKED / name
    return unprivileged.run_as(
        account, command, [directory, unpacked] if unpacked.exists() else [directory]
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Several workers may want the same program: the second must not find the half of it."""
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with (UNPACKED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(name: str, package: str) -> None:
    if platform.system() != "Linux" or not shutil.which("apt-get"):
        raise NotHere(f"These tests run {name}. Install it.")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as directory:
        if not _download(package, directory):
            if os.geteuid() == 0:
                _run(["apt-get", "update", "-q"], directory)
            if not _download(package, directory):
                raise NotHere(f"No {name} here, and apt-get does not find one. Install it.")
        for archive in Path(directory).glob("*.deb"):
            _run(["dpkg-deb", "--extract", str(archive), "unpacked"], directory)
        shutil.rmtree(UNPACKED / name, ignore_errors=True)
        shutil.copytree(Path(directory) / "unpacked", UNPACKED / name, symlinks=True)


def _download(package: str, directory: str) -> bool:
    """The package, and what it needs that this machine has not."""
    plan = ["apt-get", "--simulate", "-q", "install", "--no-install-recommends", package]
    needed = re.findall(r"^Inst (\S+)", _run(plan, directory) or "", flags=re.M)
    return bool(needed) and _run(["apt-get", "download", "-q", *needed], directory) is not None


def _run(command: list[str], directory: str) -> str | None:
    """What it printed; None where it failed."""
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout if done.returncode == 0 else None
