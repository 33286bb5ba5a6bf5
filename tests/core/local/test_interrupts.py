"""Ctrl-C in a moment in which Python throws it away."""

import subprocess
import sys

from tests.support.checkout import PATIENCE, Checkout
from tests.support.databases import ROOT

SCRIPT = """
import os, signal
from core.local import interrupts

class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass

interrupts.listen()
Closing()
print(interrupts.heard())
"""


def test_one_that_python_throws_away_is_remembered() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
    assert "Exception ignored" in done.stderr


def test_a_start_in_which_one_was_thrown_away_ends_as_soon_as_it_serves(checkout: Checkout) -> None:
    code = checkout.directory / "core" / "local" / "interrupts.py"
    code.write_text(code.read_text().replace("_heard: list[int] = []", "_heard = [2]", 1))
    process = checkout.run()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Chat" not in output
    assert not checkout.processes()
