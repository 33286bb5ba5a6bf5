import struct
import unicodedata
import zipfile
import zlib

import pytest

from chat.slack.spelling import alike, is_litter, name_in_zip, plain_path, readings, top_of
from tests.chat.slack.builder import Raw

NAME = "日本語/2023-11-14.json"


def unicode_path(name: str, of: bytes) -> bytes:
    """The extra field in which Info-ZIP says a name in UTF-8, beside the one it is for."""
    data = struct.pack("<BL", 1, zlib.crc32(of)) + name.encode()
    return struct.pack("<HH", 0x7075, len(data)) + data


def flagged(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    info.orig_filename = NAME
    info.flag_bits = 0x800
    return info


@pytest.mark.parametrize(
    "info",
    [
        flagged(Raw(NAME)),
        Raw(NAME, flag=False),
        Raw(NAME.replace("/", "\\"), flag=False),
        Raw(b"n/2023-11-14.json", flag=False, extra=unicode_path(NAME, b"n/2023-11-14.json")),
        Raw(NAME, flag=False, extra=unicode_path("renamed/since.json", b"another name")),
        Raw(NAME, flag=False, extra=b"\x75\x70\xff\xff broken"),
        Raw(NAME + "\0.txt", flag=False),
    ],
)
def test_a_name_is_read_from_the_zip_however_it_was_written(info: zipfile.ZipInfo) -> None:
    assert name_in_zip(info) == NAME


@pytest.mark.parametrize("page", ["cp932", "gb18030"])
def test_a_name_in_a_systems_own_code_page_is_among_its_readings(page: str) -> None:
    assert "日本語" in readings(name_in_zip(Raw("日本語".encode(page), flag=False)))


@pytest.mark.parametrize(
    ("name", "page", "seen_as"),
    [
        ("日本語", "utf-8", "cp437"),
        ("büro", "utf-8", "cp1252"),
        ("büro", "utf-8", "latin-1"),
        ("büro", "cp850", "cp437"),
        ("отдел", "cp866", "cp437"),
        ("отдел", "cp1251", "latin-1"),
        ("büro", "mac-roman", "cp437"),
    ],
)
def test_a_name_that_another_program_spoiled_is_among_its_readings(
    name: str, page: str, seen_as: str
) -> None:
    assert name in readings(name.encode(page).decode(seen_as))


def test_bytes_on_the_disk_that_are_no_utf8_are_read_too() -> None:
    assert "büro" in readings(b"b\xfcro".decode("utf-8", "surrogateescape"))
    assert list(readings("\ud83d")) == []


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("general/a.json", "general/a.json"),
        ("/general/a.json", "general/a.json"),
        ("./general//./a.json", "general/a.json"),
        ("C:\\export\\general\\a.json", "export/general/a.json"),
        ("../general/a.json", "../general/a.json"),
        ("fc:f1:plan/a.json", "fc:f1:plan/a.json"),
        ("export\\caf\xe9\\a.json", "export/caf\xe9/a.json"),
        ("C:\\export\\\udc95\\/a.json", "export/\udc95\\/a.json"),  # half of a 表
    ],
)
def test_a_path_loses_its_root_and_what_says_nothing(name: str, plain: str) -> None:
    assert plain_path(name) == plain


def test_names_are_alike_in_any_case_and_unicode_form() -> None:
    assert alike(unicodedata.normalize("NFD", "CAFÉ")) == alike("café")
    assert alike("cafe") != alike("café")


def test_what_systems_leave_in_folders_is_litter() -> None:
    for name in ("__MACOSX/general/._a.json", "general/._a.json", ".DS_Store", "a/Thumbs.db"):
        assert is_litter(name)
    assert not is_litter("general/2023-11-14.json")


def test_the_top_is_the_shallowest_folder_that_has_the_lists() -> None:
    lists = {"users.json", "channels.json"}
    assert top_of(["users.json", "general/users.json"], lists) == [""]
    assert top_of(["a/b/users.json", "a/b/Channels.json", "a/b/c/x.json"], lists) == ["a/b/"]
    assert top_of(["a/users.json", "b/channels.json"], lists) == ["a/", "b/"]
    assert top_of(["a/x.json"], lists) == []
