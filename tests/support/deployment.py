"""docker-compose.yml and the Dockerfile, read, and carried out as far as can be without Docker."""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.databases import ROOT

# What a person puts into .env, as .env.example tells.
DOT_ENV = {
    "SECRET_KEY": "a-secret-key-of-a-test-which-is-long-enough-for-production",
    "POSTGRES_PASSWORD": "fromdotenv",
    "REDIS_PASSWORD": "ofredis",
    "ALLOWED_HOSTS": "chat.example.org",
    "ORIGINS": "https://chat.example.org",
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[?-])([^}]*))?\}")


def environment(service: str) -> dict[str, str]:
    """The environment of a service, with what is in .env filled in."""
    return {name: fill_in(value) for name, value in SERVICES[service]["environment"].items()}


def fill_in(text: str) -> str:
    def value(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        if name in DOT_ENV:
            return DOT_ENV[name]
        assert operator == ":-", f"{name} is not in .env, and there is no default"
        return rest

    return VARIABLE.sub(value, text)


def unescaped(command: str) -> str:
    """A command as its container gets it: "$$" is a "$" for the shell there."""
    return command.replace("$$", "$")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: ("RUN", "python …"), without comments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    words = [line.split(maxsplit=1) for line in lines if line]
    return [(name, arguments) for name, arguments in words]


def copies() -> list[tuple[str, str]]:
    """What is copied into the image, from where to where."""
    return [
        (source, target)
        for name, arguments in instructions()
        if name == "COPY" and not arguments.startswith("--from")
        for source, target in [arguments.split()]
    ]


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a file or folder through to the build; the last word counts."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!")
        if pattern.startswith("**/"):
            hit = fnmatch.fnmatch(Path(path).name, pattern[3:])
        else:
            hit = any(fnmatch.fnmatch(str(one), pattern) for one in (path, *Path(path).parents))
        if line and not line.startswith("#") and hit:
            sent = line.startswith("!")
    return sent


def build(directory: Path) -> None:
    """Make the image's folder /app: copy what the Dockerfile copies, and run its collectstatic."""
    for source, target in copies():
        if target.startswith("/"):  # into another stage
            continue
        place = directory / target
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, place)
    (command,) = (
        arguments
        for name, arguments in instructions()
        if name == "RUN" and "manage.py" in arguments
    )
    *_, last = command.split("&&")
    words = shlex.split(last)
    env = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    run(words[len(env) :], directory, env)


def run(command: list[str], directory: Path, env: dict[str, str]) -> None:
    """Run a `python …` of ours with this environment and no other of the chat's variables."""
    assert command[0] == "python"
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=directory,
        env=clean | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
