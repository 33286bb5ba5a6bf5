"""Names of files, as programs spoil them: separators, code pages, Unicode forms, case."""

import os
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # the extra field of Info-ZIP
# What systems leave in folders; none of it is the export's.
_LITTER = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini", "@eadir"})
_BACKSLASH = re.compile(r"\\")
_SEPARATOR = re.compile(r"(?<![^\0-\x7f])\\")
# A name that was read in one of the first may have been written in one of the second.
_READ_AS = ("cp437", "cp850", "cp1252", "latin-1", "mac-roman")
_WRITTEN_AS = (
    *("utf-8", "cp437", "cp850", "cp1252", "cp1250", "cp1251", "cp866", "koi8-r"),
    *("cp932", "gb18030", "big5", "cp949", "cp1253", "cp1254", "cp1255", "cp1256", "mac-roman"),
)


def name_in_zip(info: zipfile.ZipInfo) -> str:
    """The name of a member with "/" between its parts, a folder's with one at its end.

    Without the flag of UTF-8 the standard says code page 437, and most programs write something
    else: UTF-8, or the code page of their system, which only a comparison can tell (`readings`).
    """
    name = info.orig_filename.partition("\0")[0]
    if not info.flag_bits & _UTF8_FLAG:
        try:
            raw = name.encode("cp437")
        except UnicodeEncodeError:  # a Python that looks into the extra field itself
            raw = b""
        known = _unicode_path(info.extra, raw) or _as_utf8(raw)
        if not known:
            return _with_slashes(name)
        name = known
    return name.replace("\\", "/")


def plain_path(name: str) -> str:
    """The parts of a path without roots, drives and "."; ".." stays, and fits nothing then."""
    name = _with_slashes(name)
    if name[1:2] == ":" and name[2:3] == "/" and name[0].isalpha():
        name = name[2:]
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _with_slashes(name: str) -> str:
    """Of a name in whatever code page. Where slashes separate, a backslash after a sign that is not
    of ASCII may be that one's second half, as in the 表 of Shift-JIS: it stays."""
    return (_SEPARATOR if "/" in name else _BACKSLASH).sub("/", name)


def is_litter(name: str) -> bool:
    parts = name.casefold().split("/")
    return not _LITTER.isdisjoint(parts) or parts[-1].startswith("._")


def top_of(names: Iterable[str], lists: Collection[str]) -> list[str]:
    """The prefixes at which the lists of an export lie: "" or "My export/", the shallowest."""
    tops: dict[int, set[str]] = {}  # by depth
    for name in names:
        folder, slash, last = name.rpartition("/")
        if last.casefold() in lists:
            tops.setdefault(len(plain_path(name).split("/")), set()).add(folder + slash)
    return sorted(tops[min(tops)]) if tops else []


def alike(name: str) -> str:
    """The same for names that differ in case or in Unicode form (NFC, NFD) only."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def readings(name: str) -> Iterator[str]:
    """What the name may have been, had it been read in another code page than it was written in."""
    raws = {raw for page in _READ_AS if (raw := _encoded(name, page))}
    if not name.isprintable():  # halves of surrogates: bytes of the disk that are no UTF-8
        try:
            raws.add(os.fsencode(name))
        except UnicodeEncodeError:
            return
    for raw in raws:
        for page in _WRITTEN_AS:
            try:
                yield raw.decode(page)
            except UnicodeDecodeError:
                continue


def _encoded(name: str, page: str) -> bytes:
    try:
        return name.encode(page)
    except UnicodeEncodeError:
        return b""


def _as_utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return ""


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in the extra field, if it belongs to this one: a renamed member keeps the old."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            (checksum,) = struct.unpack("<L", field[1:5])
            if checksum == zlib.crc32(raw):
                return _as_utf8(field[5:])
    return ""
