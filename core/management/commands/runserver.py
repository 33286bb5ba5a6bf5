"""`manage.py runserver`: Django's command, with the chat's own server. Sockets are served too.

It takes the place of Django's since `core` comes first in INSTALLED_APPS. How it begins anew when a
file has changed is in core/local/reloading.py.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.core.management.base import CommandError, SystemCheckError
from django.db import connection
from django.utils.autoreload import StatReloader, autoreload_started, file_changed

from core import server
from core.database import readiness as database
from core.environment import dotenv
from core.errors import Problem
from core.local import address, interrupts, reloading
from core.redis import readiness as redis_server

# Seconds over which open pages come back after a reload.
RETURN_WITHIN = 1.0
STATIC_FILES = "servestatic.middleware.ServeStaticMiddleware"
BANNER = """
Django {django} on {url} with sockets{watching}.
Quit with Ctrl-C.
"""


class Command(runserver.Command):
    help = "Serves the chat for development, and restarts when a file of the code changes."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "runserver is for development (DEBUG=on). In production: python -m core.server, "
                "or docker compose up; see core/OPERATING.md."
            )
        address.choose(options["addrport"], ipv6=options["use_ipv6"])
        if not options["use_static_handler"]:
            settings.MIDDLEWARE.remove(STATIC_FILES)
        self.check_all(options)
        watcher = Watcher() if reloading.is_inner() else None
        self.serve(watcher)
        if watcher is not None and watcher.changed is not None:
            self.stdout.write(f"{watcher.changed} has changed.")
            sys.exit(reloading.RELOAD)
        if message := options.get("shutdown_message"):
            self.stdout.write(message)

    def check_all(self, options: dict[str, Any]) -> None:
        if not options["skip_checks"]:
            self.stdout.write("Performing system checks …\n")
            try:
                self.check(display_num_errors=True)
            except SystemCheckError as error:
                if not reloading.is_inner():
                    raise
                self.stderr.write(str(error), lambda text: text)
                sys.exit(reloading.BROKEN)
        try:
            database.ensure_answer()
            self.check_migrations()
            redis_server.ensure_usable()
        except Problem as problem:  # it may come up later
            self.stderr.write(f"Warning: {problem}")
        finally:
            connection.close()

    def serve(self, watcher: "Watcher | None") -> None:
        host, port = address.chosen()
        url = address.url(host, port)

        def ready() -> None:
            if watcher is not None:  # now that its wish to end is heard
                watcher.start()
            watching = "" if watcher is None else ", watching for changes"
            self.stdout.write(BANNER.format(url=url, watching=watching, django=self.get_version()))
            self.stdout.flush()

        self.stdout.flush()
        server.serve(host, port, ready=ready, return_within=RETURN_WITHIN, log_request=self.log)

    def log(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        """A line for each page and socket, as Django's command has it."""
        if (protocol, action) == ("http", "complete"):
            what = f"{details['method']} {details['path']} {details['status']}"
        elif protocol == "websocket" and action in ("connected", "disconnected"):
            what = f"WebSocket {details['path']} {action}"
        else:
            return
        self.stderr.write(f"[{time.strftime('%d/%b/%Y %H:%M:%S')}] {what}", lambda text: text)


class Watcher(StatReloader):
    """Finds changes in files of the code, in a thread, and then has this process end in order.

    Templates and translations are Django's to renew, without a new process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed: Path | None = None
        if env_file := dotenv.place():
            self.extra_files.add(env_file)

    def start(self) -> None:
        autoreload_started.send(sender=self)  # apps say which folders matter to them
        threading.Thread(target=self.run_loop, daemon=True).start()

    def tick(self) -> Any:
        written: dict[Path, float] = {}
        while True:
            for path, when in self.snapshot_files():
                # What was saved after this process began may have been loaded before.
                known = written.get(path, reloading.BEGAN if when <= time.time() else when)
                written[path] = when
                if when > known:
                    self.notify_file_changed(path)
            time.sleep(self.SLEEP_TIME)
            yield

    def notify_file_changed(self, path: "str | os.PathLike[str]") -> None:
        answers = file_changed.send(sender=self, file_path=path)
        if self.changed is None and not any(renewed for _, renewed in answers):
            self.changed = Path(path)
            self.stop()
            interrupts.end()
