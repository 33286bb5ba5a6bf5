"""`manage.py runserver` is two processes: an outer one, and an inner one that serves.

The inner one ends when a file of the code has changed, and the outer one starts it anew. The outer
one loads nothing of the chat, so that no mistake in a saved file ends it. And it has its share in
the embedded servers (core/embedded), so that they live on from one inner process to the next.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from core.errors import Problem
from core.local import checkout, interrupts, parent

RELOAD = 3  # the inner one's exit status where a file has changed; Django's too
BROKEN = 4  # … and where the code could not be run
BEGAN = time.time()
LOOK_EVERY = 0.5  # seconds
NOT_CODE = {"node_modules", "staticfiles"}  # and hidden folders


def is_outer(arguments: Sequence[str]) -> bool:
    return (
        arguments[:1] == ["runserver"]
        and "--noreload" not in arguments
        and not (checkout.asks_only(arguments) or is_inner())
    )


def is_inner() -> bool:
    return os.environ.get("RUN_MAIN") == "true"  # as Django says it to everybody's AppConfig.ready


def supervise(arguments: Sequence[str]) -> int:
    """Be the outer process of `manage.py ARGUMENTS`, and return its exit status."""
    environment = dict(os.environ)  # as we found it: each inner process reads .env anew
    checkout.prepare(arguments)
    inner = {"RUN_MAIN": "true", "END_WITH": str(os.getpid())}
    return _Outer([sys.executable, *sys.orig_argv[1:]], environment | inner).run()


def guard(work: Callable[[], None]) -> None:
    """In the inner process: do `work`. What is wrong in the code is shown, and the outer process
    waits until a file changes."""
    try:
        work()
    except Problem:  # not in the code
        raise
    except Exception:
        traceback.print_exc()
        sys.exit(BROKEN)


class _Outer:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._inner: subprocess.Popen[bytes] | None = None
        self._is_ending = False

    def run(self) -> int:
        self._listen()
        has_reloaded = False
        while not self._is_ending:
            before = _changed_at()
            status = self._serve()
            # Later on a setting that makes no sense is a slip as well, which the next save mends.
            if status == BROKEN or (status == 1 and has_reloaded):
                self._wait_for_change(before)
            elif status != RELOAD:
                return 0 if self._is_ending else status
            has_reloaded = True
        return 0

    def _serve(self) -> int:
        """Run an inner process to its end."""
        with interrupts.put_off():
            self._inner = subprocess.Popen(self._command, env=self._environment)
        if self._is_ending:  # heard of while it was started
            self._inner.terminate()
        status = self._inner.wait()
        self._inner = None
        return status if status >= 0 else 128 - status

    def _wait_for_change(self, before: Mapping[Path, float]) -> None:
        if not self._is_ending:
            sys.stderr.write("Waiting for a file to change …\n")
        while not self._is_ending and _changed_at() == before:
            time.sleep(LOOK_EVERY)

    # -- the end ------------------------------------------------------------------------------

    def _listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """End the inner process in order; on the second signal, or where it hangs, at once."""
        is_second, self._is_ending = self._is_ending, True
        if is_second:
            self._on_alarm(number, frame)
        elif self._inner is not None:
            self._inner.terminate()
            signal.alarm(parent.END_WITHIN)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self._inner is not None:
            self._inner.kill()


def _changed_at() -> dict[Path, float]:
    """When each file of the code was written last."""
    found: dict[Path, float] = {}
    for folder, folders, names in os.walk(checkout.BASE_DIR):
        folders[:] = [name for name in folders if name[0] != "." and name not in NOT_CODE]
        for name in names:
            if name.endswith((".py", ".toml", ".html")) or name == ".env":
                path = Path(folder, name)
                try:
                    found[path] = path.stat().st_mtime
                except OSError:  # an editor's own, gone again
                    continue
    return found
