"""The ASGI server: Daphne, in this process.

`python -m core.server` serves on HOST and PORT; `manage.py run` does more for a developer first.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import OperationalError, connection

from core import checks, tasks
from core.database import readiness as database
from core.errors import Problem
from core.local import address, interrupts
from core.redis import installation
from core.redis import readiness as redis_server

logger = logging.getLogger("core.server")  # also where it is run as __main__


def serve(
    host: str,
    port: int,
    *,
    ready: Callable[[], None],
    return_within: float | None = None,
    log_request: Callable[[str, str, dict[str, Any]], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once it listens, unless a signal came
    before.

    On the first signal the process takes no more sockets, tells the open ones when to come back
    (`return_within` so many seconds), and finishes the writes it has accepted. When the same signal
    comes again it ends at once; another one is the same wish: of Ctrl-C the outer process of
    `runserver` hears as well, and passes it on. `log_request` is told of each (Daphne's
    `action_logger`).
    """
    # Daphne installs its reactor when imported, which must come before anything of Twisted.
    from daphne.endpoints import build_endpoint_description_strings  # isort: skip
    from core.daphne.wire import WiredServer  # isort: skip
    from daphne.server import twisted_loop

    from chat.process import Process
    from core.asgi import application

    def listens() -> None:
        if interrupts.heard():  # while we started, and it was thrown away
            interrupts.repeat()
        else:
            ready()

    server = WiredServer(
        application,
        endpoints=[
            # Room for a thousand clients that come back at once.
            f"{endpoint}:backlog=2048"
            for endpoint in build_endpoint_description_strings(host=host, port=port)
        ],
        websocket_handshake_timeout=30,
        websocket_connect_timeout=30,
        # What is a little too long is answered (too_long), and what is far too long not read.
        websocket_max_message_size=4 * settings.CHAT_FRAME_IN_MAX,
        websocket_max_frame_size=4 * settings.CHAT_FRAME_IN_MAX,
        ready_callable=listens,
        action_logger=log_request,
        server_name="",
        signal_handlers=False,
        # Pings find readers that are gone without a word.
        ping_interval=20,
        ping_timeout=20,
        # Who the client is, as the proxy says; without a trusted one anybody could say anything.
        proxy_forwarded_address_header="X-Real-IP" if settings.TRUSTED_PROXY else None,
        proxy_forwarded_proto_header="X-Forwarded-Proto" if settings.TRUSTED_PROXY else None,
    )
    loop: asyncio.AbstractEventLoop = twisted_loop

    async def leave() -> None:
        for listener in server.listeners:
            listener.addCallback(lambda port: port and port.stopListening())
        try:
            await Process.current().leave(return_within)
        finally:
            server.stop()

    def on_signal(number: int) -> None:
        loop.add_signal_handler(number, server.stop)
        if not leaving:
            leaving.append(tasks.spawn("leaving", leave()))

    leaving: list[asyncio.Task[None]] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    loop.call_soon(installation.watch)
    server.run()
    if not server.listening_addresses:  # somebody was faster; Daphne has logged why
        raise Problem(f"Cannot listen on {host}, port {port}.")


def say_what_is_missing() -> None:
    """What comes up later may be missing now; whoever starts us by hand should know. Raises a
    Problem for what does not mend itself."""
    try:
        database.ensure_answer()
        if missing := database.unapplied_migrations():
            logger.warning("%d migrations are missing: run `manage.py migrate`.", len(missing))
        connection.close()
    except database.Unfit:
        raise
    except Problem as problem:
        logger.warning("%s", problem)
    except OperationalError as error:  # it answered a moment ago
        logger.warning("%s", database.explain(error))
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not settings.DEBUG and not manifest.exists():
        logger.warning("There are no static files yet: pages need `manage.py collectstatic` first.")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    try:
        django.setup()
        host, port = address.chosen()
        checks.refuse_what_is_wrong()
        redis_server.ensure_usable()
        say_what_is_missing()
        serve(host, port, ready=lambda: logger.info("Serving on %s", address.url(host, port)))
    except Problem as problem:
        lines = str(problem).splitlines()
        raise SystemExit("\n".join(f"core.server: {line}" for line in lines)) from None
    # Not by returning: Python would wait for threads that wait for a database that hangs.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
