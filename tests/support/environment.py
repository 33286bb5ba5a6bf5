"""What the tests run against: real servers, thrown away afterwards.

Where DATABASE_URL or REDIS_URL is in the environment, that server is used. In it the tests make
databases of their own (`test_…`) and drop them; of a Redis they take database 15 and empty it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from core.local.embedded import Share
from core.local.embedded.postgres import Postgres
from core.local.embedded.valkey import Valkey
from tests.support import databases, prepared
from tests.support.ports import free_port

# Never a developer's own: the file `.env` is not read.
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "core.settings",
    "ENV_FILE": "",
    "SECRET_KEY": "only-for-tests-and-as-long-as-production-wants-it",
    "DEBUG": "on",
    "CHAT_GUESTS": "on",
    # the tests of an hour come from one address
    "CHAT_NEW_ROOMS_PER_ADDRESS": "",
    "CHAT_NEW_ROOMS_PER_PERSON": "",
}
REDIS_DATABASE = 15
NAMES = ("DATABASE_URL", "REDIS_URL")
started: set[str] = set()  # the names of the URLs whose servers are ours


def is_all_ours() -> bool:
    """Whether there can be several: of a server from outside there is one."""
    return started == set(NAMES)


def forget() -> None:
    """Let a process that this one starts begin anew."""
    for name in {*started, *SETTINGS}:
        del os.environ[name]


class Servers:
    """Settings name the servers, so their URLs are there at once; each starts when a test needs it.

    So the process that only hands out the tests to others starts none, nor does one that runs a
    file without need of them.
    """

    def __init__(self, stack: ExitStack) -> None:
        """Put the settings into os.environ; the servers end with the stack."""
        os.environ.update(SETTINGS)
        if os.environ.get("REDIS_URL"):
            url = urlsplit(os.environ["REDIS_URL"])
            os.environ["REDIS_URL"] = url._replace(path=f"/{REDIS_DATABASE}").geturl()
        started.update(name for name in NAMES if not os.environ.get(name))
        # not TemporaryDirectory, which at exit may remove it before the servers have stopped
        self._directory = Path(tempfile.mkdtemp(prefix="chat-tests-"))
        stack.callback(shutil.rmtree, self._directory)
        self._share = Share(self._directory, durable=False)
        stack.callback(self._share.close)
        self._running: set[str] = set()
        if "DATABASE_URL" in started:
            prepared.share_password(self._directory / "postgres")
            os.environ["DATABASE_URL"] = self._promised(Postgres(self._directory / "postgres"))
        if "REDIS_URL" in started:
            os.environ["REDIS_URL"] = self._promised(Valkey(self._directory / "valkey"))

    def start(self, name: str) -> None:
        """Have the server of this URL run."""
        if name in self._running or name not in started:
            return
        if name == "DATABASE_URL":
            prepared.fill(self._directory / "postgres")
        urls = self._share.start([name])
        assert urls == {name: os.environ[name]}, "another program has taken its port meanwhile"
        self._running.add(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Yield the URL of a database with all tables, to be copied only."""
        self.start("DATABASE_URL")
        if "DATABASE_URL" in started:
            there = urlsplit(os.environ["DATABASE_URL"])
            yield there._replace(path=f"/{databases.MIGRATED}").geturl()
            return
        with databases.created("template0") as url:
            databases.manage("migrate", "--verbosity=0", env={"DATABASE_URL": url})
            yield url

    def _promised(self, server: Postgres | Valkey) -> str:
        """The URL that it will have: a server takes the port that it had the last time."""
        server.directory.mkdir(exist_ok=True)
        port = free_port()
        (server.directory / "port").write_text(str(port))
        return server.url(port)
