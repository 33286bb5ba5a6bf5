"""A developer's checkout: everything that production must set is filled in, before settings load.

Production sets SECRET_KEY, in the environment or in `.env`, and the settings refuse to start
without it. A `manage.py` that finds none is therefore in a developer's hands. Nothing here
overrides what is set, and nothing here runs without `manage.py`.
"""

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from core.environment import dotenv
from core.environment.values import Env
from core.errors import Problem
from core.local import address, secret

BASE_DIR = Path(__file__).resolve().parents[2]
LOCAL_DIR = BASE_DIR / ".local"

# Commands that never ask a database; for these no server starts.
WITHOUT_DATABASE = {
    *("help", "version", "collectstatic", "findstatic", "makemessages", "compilemessages"),
    *("diffsettings", "startapp", "startproject", "test"),
}
# Commands that serve, and how each is told another port.
SERVING = {"run": "make run PORT=", "runserver": "manage.py runserver "}
NOT_STARTED = {
    "DATABASE_URL": "postgres://not-started.invalid/chat",
    "REDIS_URL": "redis://not-started.invalid",
}


def prepare(arguments: Sequence[str]) -> None:
    """Complete the environment for `manage.py ARGUMENTS`, and start the servers it lacks.

    The servers live until this process ends, or longer where others use them too.
    """
    dotenv.load()
    developers = not os.environ.get("SECRET_KEY")
    if arguments and arguments[0] in SERVING and not asks_only(arguments):
        if arguments[0] == "runserver":
            address.choose_as_runserver(arguments[1:])
        host, port = address.chosen()
        # Said before anything takes time.
        address.ensure_free(host, port, command=SERVING[arguments[0]])
        if developers and not address.is_loopback(host):  # asked to be seen under other names
            os.environ.setdefault("ALLOWED_HOSTS", "*")
    if developers:
        _fill_in()
    missing = [name for name in NOT_STARTED if not os.environ.get(name)]
    if not missing or not Env().bool("DEBUG", default=False):
        return
    if _needs_database(arguments):
        _start(missing)
    else:
        os.environ.update({name: NOT_STARTED[name] for name in missing})


def _fill_in() -> None:
    try:
        LOCAL_DIR.mkdir(exist_ok=True)
        os.environ["SECRET_KEY"] = secret.keep(LOCAL_DIR / "secret_key")
    except OSError as error:
        raise Problem(
            f"Cannot write {error.filename or LOCAL_DIR}: {error.strerror}. "
            "Make it writable, or set SECRET_KEY, DATABASE_URL and REDIS_URL."
        ) from error
    os.environ.setdefault("DEBUG", "on")
    os.environ.setdefault("CHAT_GUESTS", "on")


def asks_only(arguments: Sequence[str]) -> bool:
    return bool({"-h", "--help", "--version"} & set(arguments))


def _needs_database(arguments: Sequence[str]) -> bool:
    return bool(arguments) and not asks_only(arguments) and arguments[0] not in WITHOUT_DATABASE


def _start(missing: Sequence[str]) -> None:
    try:
        from core.local.embedded import Share
    except ModuleNotFoundError as error:  # requirements/prod.txt has none of it
        raise Problem(
            f"{' and '.join(missing)} not set, and no servers to start: {error.name} is missing. "
            "Install requirements/local.txt, or set them."
        ) from error
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, _leave)
    share = Share(LOCAL_DIR)
    atexit.register(share.close)  # after the threads that still use the database
    urls = share.start(missing)
    os.environ.update(urls)
    share.watch(urls)


def _leave(number: int, frame: FrameType | None) -> None:
    """End as on Ctrl-C: with everything cleaned up, which Python does not do on SIGTERM."""
    sys.exit(128 + number)
