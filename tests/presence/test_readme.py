"""`presence` works in a project that has nothing of this one; the README's lines without Django."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from presence import reader, store
from presence.store import SCRIPTS, Store, keys
from tests.support.databases import ROOT
from tests.support.sockets import RedisServer

PRESENCE = ROOT / "presence"
README = (PRESENCE / "README.md").read_text()

# Fails where anything else of this project can be imported, now or later.
ALONE = """
import importlib.util, sys
for name in ("chat", "core", "tests", "manage"):
    assert importlib.util.find_spec(name) is None, name
sys.modules["django"] = None
"""


@pytest.fixture
def code() -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.M | re.S)
    return block


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another project's folder, with a copy of the app."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PRESENCE, tmp_path / "presence", ignore=ignored)
    return tmp_path


def run(code: str, folder: Path, url: str, *, alone: str = ALONE) -> str:
    (folder / "example.py").write_text(alone + code)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "example.py"],
        cwd=folder,
        env={"REDIS_URL": url, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_lines_work(
    code: str, elsewhere: Path, valkey: RedisServer, redis: Redis
) -> None:
    came, here, left = run(code, elsewhere, valkey.url).splitlines()
    assert came.startswith("lobby ('joined', 'ann') ")
    assert here == "here: ann"
    assert left.startswith("lobby ('left', 'ann') ([Movement(kind='left', user='ann', ")
    assert await redis.scard(keys("lobby")[0]) == 0


async def test_they_join_who_is_there_already(
    code: str, elsewhere: Path, valkey: RedisServer, redis: Redis
) -> None:
    await Store(redis).hold({"lobby": ["bob:tab"]}, 60)
    assert "here: ann bob" in run(code, elsewhere, valkey.url)


# Another project of Django's: a page that people enter, and one that counts them.
PROJECT = """
import importlib.util, os
for name in ("chat", "core", "tests"):
    assert importlib.util.find_spec(name) is None, name

import asyncio
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="another project's",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["presence"],
    REDIS_URL=os.environ["REDIS_URL"],
)
django.setup()

from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import path
from presence import clients
from presence.reader import Reader
from presence.store import Store
from presence.tracker import Tracker

told = []
reader = Reader(clients.for_pages)


async def enter(request, document, user):
    tracker = Tracker(
        Store(clients.for_store()),
        lambda scope, changes: told.extend((scope, one.kind, one.user) for one in changes),
        lease=42, renew=15, grace=8,
    )
    await tracker.enter(document, user, "tab-1")
    return JsonResponse({"here": sorted((await tracker.store.state(document)).users)})


def count(request, document):
    return JsonResponse(reader.counts([document]))


urlpatterns = [path("<document>/count/", count), path("<document>/<user>/", enter)]


async def main():
    client = AsyncClient()
    for path in ("/plan/ann/", "/plan/bob/", "/plan/count/", "/other/count/"):
        print((await client.get(path, headers={"host": "testserver"})).json())
    print(told)


asyncio.run(main())
"""


def test_another_project_of_django_uses_it(
    elsewhere: Path, valkey: RedisServer, redis: Redis
) -> None:
    assert run(PROJECT, elsewhere, valkey.url, alone="").splitlines() == [
        "{'here': ['ann']}",
        "{'here': ['ann', 'bob']}",
        "{'plan': 2}",
        "{'other': 0}",
        "[('plan', 'joined', 'ann'), ('plan', 'joined', 'bob')]",
    ]


def test_the_keys_are_those_of_the_code() -> None:
    named = re.findall(r"^\| `(presence:\{scope\}:\w+)`", README, flags=re.M)
    assert named == keys("scope")


def test_the_scripts_are_those_of_the_folder() -> None:
    named = re.findall(r"^\| `(\w+)` \|  ?[^|]*\|$", README, flags=re.M)
    scripts = {path.stem for path in SCRIPTS.glob("*.lua")} - {"common"}
    assert scripts <= set(named)
    assert all(hasattr(store.Store, name) or hasattr(reader.Reader, name) for name in scripts)


def test_nothing_of_it_imports_the_project() -> None:
    for path in PRESENCE.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (chat|core)\b", path.read_text(), flags=re.M)
