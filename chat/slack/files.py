"""An export's files, in a folder or in a zip, listed by the names that they had in Slack.

Nothing is written, and only what the listing found is opened: no name in an export and no link in
its folder leads out of it. A zip is read in memory and never unpacked.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from chat.slack.spelling import is_litter, name_in_zip, plain_path, top_of

# One file may not read for ever: a member of a zip can be a thousand times its packed size.
FILE_MAX = 2 * 1024 * 1024 * 1024
DEPTH_MAX = 8  # of folders in folders; an export has one
_CHUNK = 256 * 1024
# What became a link since, or a pipe, is neither followed nor waited for.
_AS_LISTED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# The files that tell an export from any other folder. A Grid organization's has org_users.json.
PEOPLE_LISTS = ("users.json", "org_users.json")
LISTS = frozenset({*PEOPLE_LISTS, "channels.json", "groups.json", "mpims.json", "dms.json"})


class ExportError(Exception):
    """This is no export that can be read; its text is for the person who named it."""


class Unreadable(Exception):
    """One file of the export cannot be read; its text says why."""


@dataclass(frozen=True, eq=False, slots=True)
class File:
    """`name` is that inside the export, as `clojure/2018-02-01.json`; two files may share one."""

    name: str
    size: int  # bytes, unpacked; a zip may lie
    origin: Path | zipfile.ZipInfo

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def base(self) -> str:
        return self.name.rpartition("/")[2]


@dataclass
class Listing:
    files: list[File] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)  # empty ones too
    outside: list[str] = field(default_factory=list)  # beside the folder that has the lists
    closed: list[tuple[str, str]] = field(default_factory=list)  # what was not looked into, why

    def named(self, name: str) -> list[File]:
        return [file for file in self.files if file.name.casefold() == name]


class Files(Protocol):
    listing: Listing

    def chunks(self, file: File) -> Iterator[bytes]:
        """The bytes of a file of the listing, piece by piece; raises Unreadable."""


class Folder:
    def __init__(self, root: Path) -> None:
        self.listing = Listing()
        root = _top_folder(root)
        for folder, names in _walk(root, self.listing):
            inside = folder.relative_to(root)
            self.listing.folders |= {plain_path(f"{inside}/")} - {""}
            for name in names:
                self._add(folder / name, plain_path(str(inside / name)))

    def _add(self, path: Path, name: str) -> None:
        try:
            found = path.lstat()
        except OSError as error:
            self.listing.closed.append((name, error.strerror or str(error)))
            return
        if stat.S_ISREG(found.st_mode):
            self.listing.files.append(File(name, found.st_size, path))
            self.listing.folders |= {name.rpartition("/")[0]} - {""}
        else:
            self.listing.closed.append((name, _no_plain_file(found.st_mode)))

    def chunks(self, file: File) -> Iterator[bytes]:
        assert isinstance(file.origin, Path)
        try:
            handle = os.open(file.origin, _AS_LISTED)
            with open(handle, "rb") as stream:  # noqa: PTH123 - a handle, not a path
                yield from _bounded(stream)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error


class Archive:
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self.listing = Listing()
        members = [(name_in_zip(info), info) for info in archive.infolist()]
        members = [(name, info) for name, info in members if not is_litter(name)]
        tops = top_of([name for name, _ in members], LISTS)
        if len(tops) > 1:
            raise ExportError(_several(path, tops))
        self._list(members, tops[0] if tops else "")

    def _list(self, members: list[tuple[str, zipfile.ZipInfo]], top: str) -> None:
        for name, info in members:
            inside = plain_path(name[len(top) :])
            if not name.startswith(top):
                if not name.endswith("/"):
                    self.listing.outside.append(name)
            elif name.endswith("/"):
                self.listing.folders |= {inside} - {""}
            else:
                self.listing.files.append(File(inside, info.file_size, info))
                self.listing.folders |= {inside.rpartition("/")[0]} - {""}

    def chunks(self, file: File) -> Iterator[bytes]:
        info = file.origin
        assert isinstance(info, zipfile.ZipInfo)
        if info.flag_bits & 1:
            raise Unreadable("is locked with a password")
        try:
            with self._archive.open(info) as stream:
                yield from _bounded(stream)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise Unreadable(f"the zip is damaged there ({error})") from error
        except (NotImplementedError, RuntimeError) as error:  # packed oddly
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
        raise ExportError(
            f"{path} is neither a folder nor a zip that can be read; "
            "a zip may have been cut off on its way."
        ) from error
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error
    with archive:
        yield Archive(archive, path)


def _bounded(stream: IO[bytes]) -> Iterator[bytes]:
    left = FILE_MAX
    while chunk := stream.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise Unreadable(f"is larger than {FILE_MAX // 1024 // 1024:,} MiB")
        yield chunk


def _walk(root: Path, listing: Listing) -> Iterator[tuple[Path, list[str]]]:
    """Each folder and the names in it: no links, no endless depth; what is not entered is named."""

    def note(error: OSError) -> None:
        name = os.path.relpath(error.filename, root)
        listing.closed.append((plain_path(name), error.strerror or str(error)))

    for where, folders, names in os.walk(root, onerror=note):
        path = Path(where)
        inside = path.relative_to(root)
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in list(folders):
            if (path / name).is_symlink():
                why = _no_plain_file(stat.S_IFLNK)
            elif len(inside.parts) >= DEPTH_MAX:
                why = "lies too deep in folders"
            else:
                continue
            folders.remove(name)
            listing.closed.append((plain_path(str(inside / name)), why))
        yield path, sorted(name for name in names if not is_litter(name))


def _no_plain_file(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "is a link, which may lead out of the export"
    return "is no plain file"


def _top_folder(root: Path) -> Path:
    """`root`, or the one folder in it that holds the export."""

    def has_lists(folder: Path) -> bool:
        try:
            return any(path.name.casefold() in LISTS for path in folder.iterdir())
        except OSError:
            return False

    if has_lists(root):
        return root
    try:
        inside = [one for one in root.iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError as error:
        raise ExportError(f"{root} cannot be read: {error.strerror}.") from error
    tops = [folder for folder in inside if has_lists(folder) and not is_litter(folder.name)]
    if len(tops) > 1:
        raise ExportError(_several(root, sorted(folder.name for folder in tops)))
    return tops[0] if tops else root


def _several(path: Path, tops: Iterable[str]) -> str:
    return f"{path} holds several exports ({', '.join(tops)}). Import them one by one."
