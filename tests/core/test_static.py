"""Static files for production: each name has a hash, and whatever names a file names it so."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.support.databases import manage

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
    (script,) = collected.glob("chat/js/room.????????????.js")
    packed = script.with_name(script.name + ".gz")
    assert gzip.decompress(packed.read_bytes()) == script.read_bytes()


def test_the_manifest_knows_every_file_of_ours(collected: Path) -> None:
    known = json.loads((collected / "staticfiles.json").read_text())["paths"]
    sources = Path(__file__).resolve().parents[2] / "chat/static"
    ours = {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}
    assert ours <= set(known)
