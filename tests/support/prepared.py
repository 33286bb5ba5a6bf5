"""The files of a PostgreSQL with a migrated database in it, made once and then copied.

To make them takes some seconds of the processor, and each process that runs tests needs them. They
are kept between runs for as long as nothing changes of what they are made from.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from core.local import embedded, secret
from tests.support.databases import MIGRATED, ROOT, manage

KEPT = ROOT / ".pytest_cache/postgresql"
APPS = ("core", "chat", "presence")


def share_password(directory: Path) -> None:
    """Give a server that is to be filled the password that the files know."""
    KEPT.mkdir(parents=True, exist_ok=True)
    directory.mkdir(exist_ok=True)
    secret.keep(KEPT / "password")
    shutil.copy2(KEPT / "password", directory / "password")


def fill(directory: Path) -> None:
    """Put the files where a PostgreSQL starts that has none yet."""
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one makes them, the others wait for it
        files = KEPT / _name()
        if not files.exists():
            for old in KEPT.glob("data-*"):
                shutil.rmtree(old)
            _make(files)
    shutil.copytree(files, directory / "data")


def _make(files: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="chat-tests-") as name:
        share_password(Path(name) / "postgres")
        with embedded.servers(Path(name), wanted=["DATABASE_URL"], durable=False) as urls:
            url = urls["DATABASE_URL"]
            with psycopg.connect(url, dbname="postgres", autocommit=True) as one:
                one.execute(f"CREATE DATABASE {MIGRATED}")
            url = urlsplit(url)._replace(path=f"/{MIGRATED}").geturl()
            manage("migrate", "--verbosity=0", env={"DATABASE_URL": url})
        # under its name once it is whole
        draft = Path(tempfile.mkdtemp(dir=KEPT)) / "data"
        shutil.copytree(Path(name) / "postgres/data", draft)
        draft.rename(files)
        draft.parent.rmdir()


def _name() -> str:
    """Says what they are made from: the same there, the same here."""
    made_from = hashlib.sha256()
    for path in _sources():
        made_from.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return f"data-{made_from.hexdigest()[:16]}"


def _sources() -> Iterator[Path]:
    """What decides which rows and tables a new database has, and how PostgreSQL is set up."""
    yield ROOT / "requirements/dev.txt"
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            parts = {*path.relative_to(ROOT).with_suffix("").parts}
            if parts & {"migrations", "models", "embedded", "apps", "moderators", "settings"}:
                yield path
