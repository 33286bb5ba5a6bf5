"""Whom PostgreSQL runs as. It refuses root: there it gets an account of its own, by setpriv, with
as few rights as will do.
"""

import os
import pwd
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from core.errors import Problem

OWN_SERVER = "set DATABASE_URL to a server of yours."
# Passing by closed folders: the first may read and no more; containers often have the second only.
PASSES = (("dac_read_search", 2), ("dac_override", 1))


class Account(NamedTuple):
    uid: int
    gid: int

    def may(self, wanted: int, path: Path) -> bool:
        """Whether `path` gives this account what `wanted` (4 read, 2 write, 1 execute) says."""
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & wanted << 6)
        if status.st_gid == self.gid:
            return bool(status.st_mode & wanted << 3)
        return bool(status.st_mode & wanted)


def account_for(data: Path) -> Account:
    """Return who may own and serve `data`: ourselves, or where we are root its owner or nobody."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if data.exists() and (status := data.stat()).st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Problem(
            "PostgreSQL does not run as root, and there is no user `nobody` here to run it as: "
            f"use an ordinary user, add that one, or {OWN_SERVER}"
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def give(account: Account, folder: Path) -> None:
    """Let the account own a folder, with all that is in it."""
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def run_as(account: Account, command: list[str], folders: Iterable[Path]) -> list[str]:
    """Return `command` as the account runs it; it needs its program and what is in `folders`.

    Folders above them that are closed to others (/root, say) stay closed: the process passes by a
    capability. The kernel heeds that in access(), by which initdb looks for `postgres`, only where
    a change of the user does not touch capabilities (no_setuid_fixup).
    """
    if os.geteuid() != 0:
        return command
    if not (setpriv := shutil.which("setpriv")):
        raise Problem(
            "PostgreSQL does not run as root: use an ordinary user, install setpriv "
            f"(util-linux), or {OWN_SERVER}"
        )
    words = [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    words += ["--no-new-privs", "--inh-caps=-all"]
    program = Path(command[0])
    if not all(account.may(1, path) for path in (program, *_above(program, *folders))):
        name = _pass(reads_only=bool(program.stat().st_mode & 0o001))
        words[-1] += f",+{name}"
        words += [f"--ambient-caps=-all,+{name}", "--securebits=+no_setuid_fixup"]
    return [*words, "--", *command]


def _above(*paths: Path) -> Iterator[Path]:
    for path in paths:
        yield from path.parents  # as written, with links on the way …
        yield from path.resolve().parents  # … and where those lead


def _pass(*, reads_only: bool) -> str:
    """Return the least capability that we have and that opens the way."""
    status = Path("/proc/self/status").read_text()
    ours = int(status.partition("CapPrm:")[2].split()[0], 16)
    enough = PASSES if reads_only else PASSES[1:]  # only the second runs what others may not
    return next((name for name, bit in enough if ours >> bit & 1), enough[-1][0])


def with_a_name(account: Account, command: list[str]) -> list[str]:
    """Return `command` as one that finds the name of its user, where the account has none.

    initdb asks /etc/passwd for it, and we use it for nothing. In a user namespace we seem to be
    somebody who is in there; many containers forbid making one.
    """
    if has_name(account) or not (unshare := shutil.which("unshare")):
        return command
    other = next((entry for entry in pwd.getpwall() if entry.pw_uid), None)
    if other is None:
        return command
    seem = [f"--map-user={other.pw_uid}", f"--map-group={other.pw_gid}"]
    return [unshare, "--user", *seem, "--", *command]


def has_name(account: Account) -> bool:
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        return False
    return True
