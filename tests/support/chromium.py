"""A real Chromium, or a failure that says so: never a skipped test."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Playwright

# The shell draws no window around a page, and takes a third of the processor for it.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENT = ("-o", "DPkg::Lock::Timeout=300")  # another installation may be under way
UPDATE = ["apt-get", "update", "-q", *PATIENT]
INSTALL = ["apt-get", "install", "-q", "-y", *PATIENT, "--no-install-recommends"]
PACKAGES = (SHELL, "chromium")  # the first that there is
INSTALLATION_SECONDS = 900
# It talks to nobody but the page's server.
FLAGS = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class NoChromium(Exception):
    """There is none and none could be installed."""


def executable(playwright: Playwright) -> str:
    """Return the machine's Chromium, else Playwright's, else Debian's, installed now."""
    own = playwright.chromium.executable_path

    def present() -> str | None:
        return on_machine() or (own if own and Path(own).exists() else None)

    found = present()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with (Path(tempfile.gettempdir()) / "chat-tests-chromium.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers one installs
            if present() is None:
                install()
            found = present()
    if found is None:
        raise NoChromium(
            "The browser tests need a Chromium and found none. Install the package chromium, "
            "or run: .venv/bin/playwright install chromium"
        )
    return found


def on_machine() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def install() -> None:
    print("Installing Chromium for the browser tests …", file=sys.stderr, flush=True)  # noqa: T201
    run(UPDATE)
    for package in PACKAGES:
        try:
            run([*INSTALL, package, "fonts-dejavu-core"])
        except NoChromium:
            if package == PACKAGES[-1]:
                raise
        else:
            return


def run(command: list[str]) -> None:
    try:
        subprocess.run(
            command,
            stdout=sys.stderr,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            timeout=INSTALLATION_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NoChromium(
            f"No Chromium here, and installing one failed: {' '.join(command)}: {error}"
        ) from error


def flags() -> list[str]:
    """Return its options; its sandbox does not work for root."""
    return [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
