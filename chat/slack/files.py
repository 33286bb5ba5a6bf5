"""An export's bytes, from a folder or from a zip."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

# One file may not fill the memory: a member of a zip can be a thousand times its packed size.
MEMBER_MAX = 256 * 1024 * 1024
# The files that tell an export from any other folder.
LISTS = ("users.json", "channels.json", "groups.json", "mpims.json", "dms.json")


class ExportError(Exception):
    """This is no export that can be read; its text is for the person who named it."""


class Unreadable(Exception):
    """One file of the export cannot be read; its text says why."""


class Files(Protocol):
    """The files of an export by their names inside it, as `clojure/2018-02-01.json`."""

    names: frozenset[str]

    def read(self, name: str) -> bytes: ...


class Folder:
    """Only files found by listing can be read, so no name in the export leads out of it."""

    def __init__(self, root: Path) -> None:
        self.root = _top_folder(root)
        found = [*self.root.glob("*.json"), *self.root.glob("*/*.json")]
        self.names = frozenset(path.relative_to(self.root).as_posix() for path in found)

    def read(self, name: str) -> bytes:
        try:
            with (self.root / name).open("rb") as file:
                return _bounded(file.read(MEMBER_MAX + 1))
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error


class Archive:
    """A zip is read in memory and never unpacked: where its names point does not matter."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = [info.filename for info in archive.infolist() if not info.is_dir()]
        self._top = _top_of(members)
        self.names = frozenset(
            name[len(self._top) :]
            for name in members
            if name.startswith(self._top) and name.endswith(".json")
        )

    def read(self, name: str) -> bytes:
        try:
            with self._archive.open(self._top + name) as member:
                return _bounded(member.read(MEMBER_MAX + 1))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise Unreadable(f"the zip is damaged there ({error})") from error
        except (NotImplementedError, RuntimeError) as error:  # packed oddly, or with a password
            raise Unreadable(f"cannot be unpacked ({error})") from error


@contextmanager
def open_files(path: Path) -> Iterator[Files]:
    """The export at `path`, a folder or a zip; raises ExportError where there is none."""
    if path.is_dir():
        yield Folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise ExportError(f"{path} does not exist.") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ExportError(f"{path} is neither a folder nor a zip that can be read.") from error
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error
    with archive:
        yield Archive(archive)


def read_list(files: Files, name: str) -> list[Any]:
    """The JSON list in a file; every file of an export is one. Raises Unreadable."""
    try:
        value = json.loads(files.read(name))
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not JSON ({error})") from error
    if not isinstance(value, list):
        raise Unreadable("is not a list of entries")
    return value


def _bounded(data: bytes) -> bytes:
    if len(data) > MEMBER_MAX:
        raise Unreadable(f"is larger than {MEMBER_MAX // 1024 // 1024} MiB")
    return data


def _top_folder(root: Path) -> Path:
    """`root`, or the one folder in it that holds the export."""
    if any((root / name).is_file() for name in LISTS):
        return root
    try:
        inside = [path.parent for name in LISTS for path in root.glob(f"*/{name}")]
    except OSError:
        inside = []
    return inside[0] if len(set(inside)) == 1 else root


def _top_of(members: list[str]) -> str:
    """The prefix of a zip that was packed with its folder: "" or "My export/"."""
    tops = {
        name[: -len(last)]
        for name in members
        for last in (name.rsplit("/", 1)[-1],)
        if last in LISTS and name.count("/") <= 1 and not name.startswith("__MACOSX/")
    }
    return tops.pop() if len(tops) == 1 else ""
