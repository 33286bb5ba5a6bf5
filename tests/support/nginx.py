"""A real nginx with the configuration of docker-compose.yml."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support import debian
from tests.support.databases import ROOT
from tests.support.ports import free_port

CONFIG = ROOT / "core/nginx.conf"
PATIENCE = 20.0  # seconds


@contextmanager
def nginx(web: str, static: Path, *, trusted: str = "127.0.0.9/32") -> Iterator[str]:
    """Run nginx before the server `web` ("HOST:PORT"), with files from `static`; yields its URL.

    The configuration is the one of production. Only its places are exchanged, and the network
    whose proxies it believes.
    """
    program = debian.program("nginx")
    port, health = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as directory:
        places = {
            "listen 8080 ": f"listen 127.0.0.1:{port} ",
            "listen 127.0.0.1:8081;": f"listen 127.0.0.1:{health};",
            "set $web web:8000;": f"set $web {web};",
            "alias /srv/static/;": f"alias {static}/;",
            "172.30.77.0/24": trusted,
            "/tmp/": f"{directory}/",
            "/etc/nginx/mime.types": str(debian.file("nginx", "etc/nginx/mime.types")),
        }
        text = CONFIG.read_text()
        for ours in places:
            assert ours in text, f"{CONFIG.name} no longer says {ours!r}"
        # in one go: what is put in is not exchanged again
        text = re.sub("|".join(map(re.escape, places)), lambda ours: places[ours[0]], text)
        config = Path(directory, "nginx.conf")
        config.write_text(text)
        command = [str(program), "-p", directory, "-c", str(config), "-e", "stderr"]
        options = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        with Path(directory, "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "-g", options],
                env=debian.environment("nginx"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait(process, f"http://127.0.0.1:{health}/", Path(directory, "log"))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            assert httpx.get(url).status_code == 204
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nginx does not start:\n{log.read_text()}")
