"""A copy of the project, used as a developer uses it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import psutil

from tests.support.databases import ROOT
from tests.support.ports import free_port
from tests.support.processes import processes_of

PATIENCE = 60.0  # seconds
NOT_COPIED = shutil.ignore_patterns(
    ".*", "__pycache__", "staticfiles", "tests", "bench", "node_modules"
)
OURS = ("SECRET_KEY", "DEBUG", "CHAT_GUESTS", "DATABASE_URL", "REDIS_URL", "ENV_FILE")


class Checkout:
    """A copy of the project, in which nothing has been set."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.output = ""
        self._started: list[subprocess.Popen[str]] = []
        shutil.copytree(ROOT, directory, ignore=NOT_COPIED)

    def run(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        """Start `manage.py run`, or with other `arguments`, and return at once."""
        return self.start(sys.executable, "manage.py", *(arguments or ["run"]), **env)

    def start(self, *command: str, **env: str) -> "subprocess.Popen[str]":
        """Start a program in the checkout and return at once."""
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def serve(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        """As `run`, and return when it has said so; `output` has what it said."""
        process = self.run(*arguments, **env)
        self.output = until_it_serves(process)
        return process

    def manage(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.directory,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def processes(self) -> list[psutil.Process]:
        return processes_of(self.directory)

    def close(self) -> None:
        """End what a test that failed has left, and leave no warning of it to a later test."""
        for running in self.processes():
            running.kill()
        for process in self._started:
            process.wait(PATIENCE)
            if process.stdout is not None:
                process.stdout.close()

    def environment(self, **env: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if name not in OURS}
        return {**clean, "PORT": str(self.port), **env}


def until_it_serves(process: "subprocess.Popen[str]") -> str:
    """Wait until a command has said where it serves, and return all that it said."""
    return until_it_says(process, "Ctrl-C")


def until_it_says(process: "subprocess.Popen[str]", text: str) -> str:
    """Wait until a line has `text`, and return all that was said until then."""
    assert process.stdout is not None
    output = ""
    impatience = Timer(PATIENCE, process.kill)
    impatience.start()
    try:
        for line in process.stdout:
            output += line
            if text in line:
                return output
    finally:
        impatience.cancel()
    raise AssertionError(f"It ended with {process.wait()}:\n{output}")


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode != 0
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    return line


def users(checkout: Checkout) -> str:
    """Ask the database through another command."""
    code = "from core.models import User; print('users:', *User.objects.values_list('username'))"
    done = checkout.manage("shell", "--verbosity=0", "--command", code)
    assert done.returncode == 0, done.stderr
    return done.stdout
