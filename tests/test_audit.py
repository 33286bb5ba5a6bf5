"""`make audit`: says what is known, and never that all is well where nobody answered."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.support.databases import ROOT
from tests.support.ports import free_port

WEAKNESS = {
    "id": "GHSA-test",
    "summary": "Reads what it should not.",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Database(ThreadingHTTPServer):
    """Answers as OSV does: `known` by package; `status` for all."""

    known: dict[str, Any]
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.known, self.asked = {}, list[str]()


class Answer(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked.append(name)
        vulns = self.server.known.get(name)
        body = json.dumps({"vulns": vulns} if vulns else {}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def audit(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "requirements/audit.py", f"--osv-url=http://127.0.0.1:{port}/"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_nothing_is_known_of_any_package(database: Database) -> None:
    done = audit(database.server_port)
    assert done.stdout == f"{len(database.asked)} packages, 0 known weaknesses\n"
    assert (done.stderr, done.returncode) == ("", 0)
    locked = (ROOT / "requirements/dev.txt").read_text()
    named = set(re.findall(r"^([\w.\-]+)(?:\[.*\])?==[^;]*$", locked, flags=re.M))
    assert named <= set(database.asked)
    assert len(database.asked) == len(set(database.asked))


def test_a_known_weakness_is_named_and_fails(database: Database) -> None:
    database.known["django"] = [WEAKNESS]
    done = audit(database.server_port)
    first, second, last = done.stdout.splitlines()
    assert re.fullmatch(r"django [\d.]+: GHSA-test, fixed in 99\.1", first)
    assert second.strip() == "Reads what it should not."
    assert last == f"{len(database.asked)} packages, 1 known weaknesses"
    assert done.returncode == 1


def test_without_an_answer_it_fails_and_says_so(database: Database) -> None:
    database.status = 503
    for port in (free_port(), database.server_port):
        done = audit(port)
        assert done.stdout == ""
        assert done.stderr.startswith("Could not ask for known weaknesses, so nothing is known: ")
        assert len(done.stderr.splitlines()) == 1
        assert done.returncode == 2
    assert database.asked
