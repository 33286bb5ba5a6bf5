import json
import zipfile
from pathlib import Path

import pytest

from chat.slack import files
from chat.slack.export import Export
from chat.slack.files import ExportError, Files, Unreadable, open_files
from chat.slack.reading import entries_of
from tests.chat.slack import builder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return builder.general(tmp_path / "export", builder.said(1))


def names(path: Path) -> list[str]:
    with open_files(path) as opened:
        return sorted(file.name for file in opened.listing.files)


def entries(opened: Files, name: str) -> list[object]:
    return [one for file in opened.listing.named(name) for one in entries_of(opened.chunks(file))]


def test_a_folder_and_a_zip_of_it_hold_the_same(folder: Path, tmp_path: Path) -> None:
    expected = ["channels.json", "general/2023-11-14.json", "users.json"]
    assert names(folder) == expected
    assert names(builder.packed(folder, tmp_path / "plain.zip")) == expected
    assert names(builder.packed(folder, tmp_path / "top.zip", "Our export/")) == expected


def test_the_folder_that_a_zip_left_around_the_export_is_looked_through(folder: Path) -> None:
    assert names(folder.parent) == names(folder)


def test_what_a_mac_adds_to_a_zip_is_no_second_export(folder: Path, tmp_path: Path) -> None:
    path = builder.packed(folder, tmp_path / "mac.zip", "export/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/users.json", "[]")
        archive.writestr("export/general/._2023-11-14.json", "x")
    with open_files(path) as opened:
        assert opened.listing.named("general/2023-11-14.json")
        assert Export.load(opened).strays == []


def test_a_zip_writes_nothing_to_the_disk(folder: Path, tmp_path: Path) -> None:
    path = builder.packed(folder, tmp_path / "evil.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../2023-11-14.json", "[]")
        archive.writestr("../../escaped/2023-11-14.json", "[]")
    before = sorted(tmp_path.rglob("*"))
    with open_files(path) as opened:
        roomless = Export.load(opened).roomless
        assert roomless.keys() == {"..", "../../escaped"}
        for file in [file for files in roomless.values() for file in files]:
            assert list(entries_of(opened.chunks(file))) == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_file_too_large_is_refused_before_it_fills_the_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (folder / "general/2023-11-14.json").write_text(" " * 3_000_000 + "[]")
    path = folder if form == "folder" else builder.packed(folder, tmp_path / "bomb.zip")
    assert form == "folder" or path.stat().st_size < 100_000
    monkeypatch.setattr(files, "FILE_MAX", 1024 * 1024)
    with open_files(path) as opened, pytest.raises(Unreadable, match="larger than 1 MiB"):
        entries(opened, "general/2023-11-14.json")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not JSON"),
        (b"[1,", "is not JSON"),
        (b"{}", "is not a list"),
        (b'["\xff"]', "is not text in UTF-8"),
        (b"[" * 200_000, "is not JSON"),
        (b"[" + b"9" * 5_000 + b"]", "is not JSON"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(folder: Path, content: bytes, why: str) -> None:
    (folder / "general/2023-11-14.json").write_bytes(content)
    with open_files(folder) as opened, pytest.raises(Unreadable, match=why):
        entries(opened, "general/2023-11-14.json")


def test_a_damaged_member_of_a_zip_is_named(folder: Path, tmp_path: Path) -> None:
    path = builder.packed(folder, tmp_path / "damaged.zip")
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("general/2023-11-14.json")
    start = info.header_offset + 30 + len(info.filename)
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)
    with open_files(path) as opened, pytest.raises(Unreadable, match="damaged"):
        entries(opened, "general/2023-11-14.json")


def test_a_zip_with_a_password_is_named(folder: Path, tmp_path: Path) -> None:
    path = builder.packed(folder, tmp_path / "locked.zip")
    data = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # "encrypted", everywhere
        parts = data.split(signature)
        locked = [p[: offset - 4] + bytes([p[offset - 4] | 1]) + p[offset - 3 :] for p in parts[1:]]
        data = signature.join([parts[0], *locked])
    path.write_bytes(data)
    with open_files(path) as opened, pytest.raises(Unreadable, match="locked with a password"):
        entries(opened, "users.json")


def test_a_path_that_is_no_export_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(ExportError, match="does not exist"), open_files(tmp_path / "nowhere"):
        pass
    with pytest.raises(ExportError, match="neither"), open_files(tmp_path / "note.txt"):
        pass
    with open_files(tmp_path) as opened, pytest.raises(ExportError, match=r"no users\.json"):
        Export.load(opened)
    (tmp_path / "users.json").write_text("[]")
    with open_files(tmp_path) as opened, pytest.raises(ExportError, match=r"no channels\.json"):
        Export.load(opened)
    (tmp_path / "channels.json").write_text("[{")
    with open_files(tmp_path) as opened, pytest.raises(ExportError, match="is not JSON"):
        Export.load(opened)


def test_odd_lines_in_the_lists_are_named_and_the_rest_is_taken(tmp_path: Path) -> None:
    root = builder.write(
        tmp_path / "export",
        users=[builder.ANN, 7, {"name": "nobody"}, builder.ANN, {"id": "../x"}],
        channels=[None, builder.room("C1", "general"), builder.room("C1", "again")],
    )
    with open_files(root) as opened:
        export = Export.load(opened)
    assert list(export.people) == ["U1"]
    assert [room.id for room in export.rooms] == ["C1"]
    assert export.odd == [
        ("users.json: entry 2", "is no object"),
        ("users.json: entry 3", "has no id"),
        ("users.json: entry 5", "has no id"),
        ("channels.json: entry 1", "is no object"),
    ]
    assert export.twice == [
        ("users.json: entry 4", "comes twice"),
        ("channels.json: entry 3", "comes twice"),
    ]


def test_a_name_in_the_export_leads_nowhere_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "2023-11-14.json").write_text(json.dumps([builder.said(1, "secret")]))
    root = builder.write(tmp_path / "export", channels=[builder.room("C1", "../secret")])
    with open_files(root) as opened:
        export = Export.load(opened)
    assert export.rooms[0].files == ()
    assert export.folderless == ["../secret (C1 in channels.json)"]


def test_a_file_that_became_a_link_since_it_was_listed_is_not_followed(
    folder: Path, tmp_path: Path
) -> None:
    day = folder / "general/2023-11-14.json"
    with open_files(folder) as opened:
        day.rename(tmp_path / "elsewhere.json")
        day.symlink_to(tmp_path / "elsewhere.json")
        with pytest.raises(Unreadable, match="symbolic links"):
            entries(opened, "general/2023-11-14.json")
