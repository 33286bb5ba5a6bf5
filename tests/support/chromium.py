"""A real Chromium, or a failure that says so: never a skipped test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENT = ("-o", "DPkg::Lock::Timeout=300")  # another installation may be under way
INSTALLATION = (
    ["apt-get", "update", "-q", *PATIENT],
    [
        "apt-get",
        "install",
        "-q",
        "-y",
        *PATIENT,
        "--no-install-recommends",
        "chromium",
        "fonts-dejavu-core",
    ],
)
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
    found = on_machine() or (own if own and Path(own).exists() else None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install()
        found = on_machine()
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
    for command in INSTALLATION:
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
