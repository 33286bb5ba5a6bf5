"""Static files for production: each name has a hash, and whatever names a file names it so."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.support.databases import ROOT, manage

HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("static")
    env = {"DEBUG": "off", "STATIC_ROOT": str(directory)}
    manage("collectstatic", "--no-input", "--verbosity=0", env=env)
    return directory


def hashed(collected: Path, pattern: str) -> list[Path]:
    return [path for path in collected.rglob(pattern) if HASHED.search(path.name)]


def test_modules_import_each_other_by_their_hashed_names(collected: Path) -> None:
    modules = [path for path in hashed(collected, "*.js") if "chat/js" in path.as_posix()]
    imports = [(path, name) for path in modules for name in IMPORT.findall(path.read_text())]
    assert len(modules) > 20
    assert len(imports) > 20
    for path, name in imports:
        assert HASHED.search(name), f"{path.name} imports {name}"
        assert (path.parent / name).resolve().is_file(), f"{path.name} imports {name}"


def test_style_sheets_name_files_that_are_there(collected: Path) -> None:
    for path in hashed(collected, "*.css"):
        for name in re.findall(r"""url\(["']?([^"')]+)""", path.read_text()):
            if not name.startswith(("data:", "#")):
                assert (path.parent / name.partition("#")[0]).resolve().is_file(), (path, name)


def test_what_is_worth_it_is_compressed(collected: Path) -> None:
    (script,) = collected.glob("chat/js/pages/room.????????????.js")
    packed = script.with_name(script.name + ".gz")
    assert gzip.decompress(packed.read_bytes()) == script.read_bytes()


def test_the_manifest_knows_every_file_of_ours(collected: Path) -> None:
    known = json.loads((collected / "staticfiles.json").read_text())["paths"]
    sources = Path(__file__).resolve().parents[3] / "chat/static"
    ours = {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}
    assert ours <= set(known)


@pytest.mark.parametrize("debug", ["on", "off"])
def test_a_folder_that_does_not_take_them_is_one_line(tmp_path: Path, debug: str) -> None:
    (tmp_path / "admin").touch()
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"],
        cwd=ROOT,
        env={**os.environ, "DEBUG": debug, "STATIC_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("manage.py: The static files cannot be put into STATIC_ROOT (")
    assert str(tmp_path) not in line


@pytest.mark.parametrize("debug", ["on", "off"])
def test_a_file_that_is_not_there_is_not_found_and_costs_a_line(
    start_server: StartServer, debug: str, tmp_path: Path
) -> None:
    env = {"DEBUG": debug, "HTTPS": "off", "ALLOWED_HOSTS": "*", "STATIC_ROOT": str(tmp_path)}
    if debug == "off":
        manage("collectstatic", "--no-input", "--verbosity=0", env=env)
    server = start_server(env=env)
    there = f"{server.url}/static/chat/js/model/slug.js"
    assert httpx.get(there).status_code == 200
    before = server.log.read_text()  # it serves, and has said so
    assert httpx.get(there).status_code == 200
    for name in ("nope.css", "chat/", "chat", "..%2f..%2fmanage.py", "/x.js", "x%5Cy"):
        assert httpx.get(f"{server.url}/static/{name}").status_code == 404, name
    said = server.log.read_text().removeprefix(before).splitlines()
    assert len(said) <= 6, said
    assert not any("Traceback" in line for line in said)
