"""chat/TUTORIAL.md, done as it is written: the check of the layer, a consumer of one's own.

What is done in a browser is in tests/browser/test_tutorial.py.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.models import User
from tests.core.conftest import checkout as checkout  # noqa: PLC0414 - a fixture
from tests.support.checkout import Checkout, end, until_it_serves
from tests.support.databases import ROOT
from tests.support.sockets import PATIENCE, session_of

DOCUMENT = (ROOT / "chat/TUTORIAL.md").read_text()


def block(title: str) -> str:
    """The code that begins with `# title`."""
    (code,) = re.findall(rf"^```python\n# {re.escape(title)}\n(.*?)^```", DOCUMENT, re.M | re.S)
    return str(code)


def typed_into_the_shell(lines: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Type lines into `manage.py shell` at a terminal, and leave it by Ctrl-D."""
    keyboard, terminal = pty.openpty()
    with os.fdopen(keyboard, "wb", 0) as keys, os.fdopen(terminal, "rb", 0) as stdin:
        keys.write(lines.encode() + b"\x04")
        return subprocess.run(
            [sys.executable, "manage.py", "shell", "--interface=python", "--no-imports"],
            cwd=ROOT,
            env=os.environ | env,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,  # one that hangs is the failure that this is about
        )


def test_the_check_of_the_layer_answers_as_the_tutorial_says_and_the_shell_can_be_left(
    chat_database: str,
) -> None:
    (session,) = re.findall(r"^```pycon\n(.*?)^```", DOCUMENT, re.M | re.S)
    typed = "".join(line[4:] + "\n" for line in session.splitlines() if line.startswith(">>> "))
    done = typed_into_the_shell(typed, {"DATABASE_URL": chat_database})
    assert done.returncode == 0, done.stderr
    (answer,) = (line for line in session.splitlines() if not line.startswith(">>> "))
    assert answer == "{'type': 'hello'}"
    assert answer in done.stdout
    assert "Traceback" not in done.stderr


def shared(database: str) -> dict[str, str]:
    """What the checkout has in common with this test: sessions are signed with the key."""
    return {"DATABASE_URL": database} | {
        name: os.environ[name] for name in ("REDIS_URL", "SECRET_KEY", "DEBUG", "CHAT_GUESTS")
    }


@pytest.fixture
def notices(checkout: Checkout, chat_database: str) -> Iterator[Checkout]:
    """A checkout with a consumer of one's own, that was added while `runserver` ran."""
    env = shared(chat_database)
    process = checkout.serve("runserver", **env)
    folder = checkout.directory / "notices"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "consumers.py").write_text(block("notices/consumers.py"))
    with (checkout.directory / "chat/routing.py").open("a") as routing:
        routing.write(block("chat/routing.py"))
    until_it_serves(process)
    yield checkout
    assert end(process, signal.SIGINT)[0] == 0


def listener(checkout: Checkout, **options: str) -> ClientConnection:
    site = f"127.0.0.1:{checkout.port}"
    return connect(
        f"ws://{site}/ws/notices/lobby/",
        origin=options.get("origin", f"http://{site}"),  # type: ignore[arg-type]
        additional_headers={"Cookie": options["cookie"]} if "cookie" in options else None,
        proxy=None,
    )


def test_a_consumer_of_ones_own_runs_beside_ours(notices: Checkout, chat_database: str) -> None:
    """It takes some seconds: a development server begins anew with what the document says."""
    bob = f"chat_session_{notices.port}={session_of(User.objects.get(username='bob'))}"
    with listener(notices, cookie=bob) as one, listener(notices) as other:
        one.send('{"message": "hello"}')
        for socket in (one, other):
            assert json.loads(socket.recv(PATIENCE)) == {"message": "bob: hello"}
        env = shared(chat_database)
        said = notices.manage("shell", "--verbosity=0", "--command", block("anywhere"), **env)
        assert said.returncode == 0, said.stderr
        for socket in (one, other):
            assert json.loads(socket.recv(PATIENCE)) == {"message": "Tea!"}
    with connect(f"ws://127.0.0.1:{notices.port}/ws/chat/lobby/", proxy=None) as room:
        room.send('{"message": "ours"}')
        while '"message":"ours"' not in str(room.recv(PATIENCE)):
            pass
    with pytest.raises(InvalidStatus):
        listener(notices, origin="http://evil.example")


def test_the_document_names_files_that_are_there() -> None:
    table, _, _ = DOCUMENT.partition("## The tutorial's page")
    theirs_and_ours = re.findall(r"^\| (.*?) \| (.*) \|$", table, re.M)[2:]
    named = {
        path
        for _, ours in theirs_and_ours
        for path in re.findall(r"`((?:chat|core|tests)/[\w./-]*)`", ours)
    }
    assert len(named) > 10
    for path in named:
        assert (ROOT / path).exists(), path
