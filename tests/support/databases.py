"""Databases of their own for the servers that tests start."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
MIGRATED = "test_migrated"  # the database of this name has all tables, and is copied only


def manage(*arguments: str, env: dict[str, str] | None = None) -> str:
    """Run a `manage.py` command and return what it printed; raises where it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def copied(url: str) -> Iterator[str]:
    """Yield the URL of a copy of a database, which nobody may be using; takes a moment only."""
    with created(urlsplit(url).path[1:]) as copy:
        yield copy


@contextmanager
def using(url: str) -> Iterator[None]:
    """Let this process use that database."""
    from django.db import connection

    settings = connection.settings_dict
    usual = settings["NAME"]
    for name in (urlsplit(url).path[1:], usual):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        settings["NAME"] = name
        if name != usual:
            yield


@contextmanager
def created(template: str) -> Iterator[str]:
    """Yield the URL of a new database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _execute("CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    finally:
        _execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(statement: str, *names: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], dbname="postgres", autocommit=True) as one:
        one.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
