"""An export comes in whole however it was packed and unpacked on its way."""

import os
import re
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chat.models import Message, Room
from tests.chat.slack import builder
from tests.chat.slack.builder import ANN, Raw, room, said
from tests.chat.slack.command import bodies, counts, run, run_failing

pytestmark = pytest.mark.django_db

DAY = "2023-11-14.json"
CAFE = "café-日本"


def export(folder: str, name: str = CAFE, **extra: Any) -> dict[str, Any]:
    """File → content, with one message in a room called `name`, in a folder called `folder`."""
    lists = {"users.json": [ANN], "channels.json": [room("C1", name, "U1")]}
    return lists | {f"{folder}/{DAY}": [said(1)]} | extra


def on_disk(root: Path, files: dict[str, Any]) -> Path:
    lists = {"users": files.pop("users.json"), "channels": files.pop("channels.json")}
    builder.write(root, files, **lists)
    for folder in root.iterdir():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()  # only the one that is asked for
    return root


def raw_zip(path: Path, files: dict[str, Any], folder: bytes) -> Path:
    """A zip without the flag, with these bytes for its folder's name."""
    builder.zipped(path, {name: files[name] for name in ("users.json", "channels.json")})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(Raw(folder + f"/{DAY}".encode(), flag=False), "[]")
        archive.writestr(Raw(folder + b"/2023-11-15.json", flag=False), builder.dumps([said(1)]))
    return path


def assert_one_message_came_in(path: Path) -> None:
    summary = run(path)
    assert counts(summary) == {"messages": 1, "in all": 1}
    assert Message.objects.get().body == "Hello"
    assert Room.objects.count() == 1


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name,
        lambda name: name.replace("/", "\\"),
        lambda name: f"Our export/{name}",
        lambda name: f"a\\b\\c\\{name}",
        lambda name: f"./{name}",
        lambda name: f"/{name}",
        lambda name: f"C:\\Users\\ann\\{name}",
        lambda name: name.upper(),
    ],
)
def test_a_zip_comes_in_however_its_names_are_written(
    tmp_path: Path, rename: Any, form: Any, flag: bool
) -> None:
    files = {rename(unicodedata.normalize(form, name)): one for name, one in export(CAFE).items()}
    assert_one_message_came_in(builder.zipped(tmp_path / "export.zip", files, flag=flag))


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("büro", "cp437"),
        ("büro", "cp850"),
        ("büro", "cp1252"),
        ("отдел", "cp866"),
        ("部屋", "cp932"),
        ("表ソ能", "cp932"),  # half of each is a backslash
        ("功許", "big5"),
    ],
)
def test_a_zip_comes_in_whatever_code_page_its_system_had(
    tmp_path: Path, name: str, page: str
) -> None:
    path = raw_zip(tmp_path / "export.zip", export("x", name), name.encode(page))
    assert_one_message_came_in(path)


@pytest.mark.parametrize(
    "folder",
    [
        CAFE,
        unicodedata.normalize("NFD", CAFE),
        CAFE.upper(),
        CAFE.encode().decode("cp437"),
        "C1",
    ],
)
def test_a_folder_comes_in_however_it_was_unpacked(tmp_path: Path, folder: str) -> None:
    assert_one_message_came_in(on_disk(tmp_path / "export", export(folder)))


@pytest.mark.parametrize(("name", "page"), [("büro", "cp1252"), ("表ソ能", "cp932")])
def test_a_folder_whose_name_is_no_text_comes_in(tmp_path: Path, name: str, page: str) -> None:
    folder = os.fsdecode(name.encode(page))
    assert_one_message_came_in(on_disk(tmp_path / "export", export(folder, name)))


def test_backslashes_that_became_names_of_files_come_in(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "export", export(CAFE))
    (root / CAFE / DAY).rename(root / f"{CAFE}\\{DAY}")
    (root / CAFE).rmdir()
    assert_one_message_came_in(root)


def test_both_of_two_files_of_one_name_come_in(tmp_path: Path) -> None:
    path = builder.zipped(tmp_path / "export.zip", export(CAFE))
    nfd = unicodedata.normalize("NFD", CAFE)
    again = Raw(f"{CAFE}\\{DAY}"), Raw(f"{nfd}/{DAY}"), Raw(f"{CAFE}/2023-11-14 (1).json")
    with zipfile.ZipFile(path, "a") as archive:
        for number, info in enumerate(again):
            archive.writestr(info, builder.dumps([said(1), said(number + 2, f"more {number}")]))
    summary = run(path)
    assert counts(summary) == {
        "messages": 4,
        "skipped: comes twice in the export": 3,
        "in all": 7,
    }


def test_a_file_is_the_same_day_when_the_browser_loaded_it_twice(tmp_path: Path) -> None:
    talk = {"general/2023-11-14 (1).json": [said(1)], "general/2023-11-14.json": [said(1)]}
    summary = run(builder.write(tmp_path, talk))
    assert counts(summary)["messages"] == 1
    assert counts(summary)["skipped: comes twice in the export"] == 1


def test_an_empty_folder_is_a_rooms_folder(tmp_path: Path) -> None:
    folder = builder.write(tmp_path / "export", channels=[room("C1", "quiet")])
    summary = run(builder.packed(folder, tmp_path / "export.zip"))
    assert "1 room: 1 new" in summary
    assert run(folder)


def test_an_empty_folder_whose_name_is_no_text_is_a_rooms_folder(tmp_path: Path) -> None:
    folder = builder.write(tmp_path / "export", channels=[room("C1", "表")])
    (folder / "表").rename(folder / os.fsdecode("表".encode("cp932")))
    assert "1 room: 1 new" in run(folder)


def test_a_grid_organization_has_its_people_in_another_list(tmp_path: Path) -> None:
    files = export("C1")
    files["org_users.json"] = files.pop("users.json")
    assert_one_message_came_in(builder.zipped(tmp_path / "export.zip", files))
    assert Message.objects.get().author.name == "Ann"


def test_people_in_both_lists_are_no_fault(tmp_path: Path) -> None:
    files = export(CAFE) | {"org_users.json": [ANN, builder.BOB]}
    assert "2 people: 2 new" in (summary := run(builder.zipped(tmp_path / "x.zip", files)))
    assert "comes twice" not in summary


# -- What leads elsewhere ---------------------------------------------------------------------


def test_a_name_that_leads_out_of_a_zip_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    outside = {f"../{CAFE}/{DAY}": [said(2, "x"), 7], "../../evil.json": []}
    path = builder.zipped(tmp_path / "a/b/export.zip", export(CAFE) | outside)
    before = sorted(tmp_path.rglob("*"))
    summary, error = run_failing(path)
    assert sorted(tmp_path.rglob("*")) == before
    assert counts(summary) == {"messages": 1, "in folders that belong to no room": 2, "in all": 3}
    assert f"  ../{CAFE}: 2 entries" in summary
    assert "  ../../evil.json" in summary
    assert "1 folder belongs to no room, 1 file fits nothing" in error


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_days_in_no_folder_are_named(tmp_path: Path, form: str) -> None:
    loose = {DAY: [said(2), said(3)], "2023-11-15.json": [said(4)]}
    path = on_disk(tmp_path / "export", export(CAFE) | loose)
    if form == "zip":
        path = builder.packed(path, tmp_path / "export.zip")
    summary, error = run_failing(path)
    assert counts(summary) == {"messages": 1, "in folders that belong to no room": 3, "in all": 4}
    assert f"\n  {DAY}: 2 entries\n  2023-11-15.json: 1 entry\n" in summary
    assert "2 folders belong to no room" in error


def test_what_lies_beside_the_exports_folder_in_a_zip_is_named(tmp_path: Path) -> None:
    files = {f"top/{name}": content for name, content in export(CAFE).items()}
    path = builder.zipped(tmp_path / "x.zip", files | {f"elsewhere/{DAY}": [said(2)]})
    summary, error = run_failing(path)
    assert f"  elsewhere/{DAY}" in summary
    assert "1 file fits nothing" in error


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_of_two_exports_none_is_chosen(tmp_path: Path, form: str) -> None:
    for top in ("march", "april"):
        on_disk(tmp_path / "x" / top, export(CAFE))
    path = tmp_path / "x" if form == "folder" else builder.packed(tmp_path / "x", tmp_path / "zip")
    assert re.search(r"holds several exports \(april/?, march/?\)", run_failing(path)[1])
    assert not Room.objects.exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    elsewhere = builder.general(tmp_path / "elsewhere", said(2, "secret"))
    root = on_disk(tmp_path / "export", export("general", "general"))
    (root / "general/2023-11-15.json").symlink_to(elsewhere / f"general/{DAY}")
    (root / "plaza").symlink_to(elsewhere / "general")
    os.mkfifo(root / "general/2023-11-16.json")  # to read it would wait for ever
    summary, error = run_failing(root)
    assert bodies() == ["Hello"]
    assert "  general/2023-11-15.json: is a link, which may lead out of the export" in summary
    assert "  plaza: is a link, which may lead out of the export" in summary
    assert "  general/2023-11-16.json: is no plain file" in summary
    assert "3 files could not be read" in error


def test_folders_without_end_are_left(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "export", export("general", "general"))
    (root / "/".join("abcdefghijkl")).mkdir(parents=True)
    summary, _ = run_failing(root)
    assert bodies() == ["Hello"]
    assert "  a/b/c/d/e/f/g/h/i: lies too deep in folders" in summary


@contextmanager
def nobody() -> Iterator[None]:
    """For a while without root's right to read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_named_and_the_rest_comes_in() -> None:
    with tempfile.TemporaryDirectory() as directory:  # others may not enter pytest's own
        Path(directory).chmod(0o755)
        channels = [room("C1", "general"), room("C2", "closed")]
        days = {f"general/{DAY}": [said(1)], "general/2023-11-15.json": [said(2)]}
        root = builder.write(
            Path(directory) / "export", days | {f"closed/{DAY}": [said(3)]}, channels=channels
        )
        (root / "general/2023-11-15.json").chmod(0)
        (root / "closed").chmod(0)
        with nobody():
            summary, error = run_failing(root)
        (root / "closed").chmod(0o755)
    assert bodies() == ["Hello"]
    assert "  general/2023-11-15.json: Permission denied" in summary
    assert "  closed: Permission denied" in summary
    assert "2 files could not be read" in error


def test_a_zip_that_broke_off_is_one_clear_line(tmp_path: Path) -> None:
    path = builder.zipped(tmp_path / "export.zip", export(CAFE))
    path.write_bytes(path.read_bytes()[:-30])
    assert "may have been cut off" in run_failing(path)[1]
