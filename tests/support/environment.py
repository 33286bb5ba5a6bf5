"""What the tests run against: real servers, thrown away afterwards.

Where DATABASE_URL or REDIS_URL is in the environment, that server is used. In it the tests make
databases of their own (`test_…`) and drop them; of a Redis they take database 15 and empty it.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from core.local import embedded

# Never a developer's own: the file `.env` is not read.
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "core.settings",
    "ENV_FILE": "",
    "SECRET_KEY": "only-for-tests-and-as-long-as-production-wants-it",
    "DEBUG": "on",
    "CHAT_GUESTS": "on",
    # the tests of an hour come from one address
    "CHAT_NEW_ROOMS_PER_ADDRESS": "",
    "CHAT_NEW_ROOMS_PER_PERSON": "",
}
REDIS_DATABASE = 15
started: set[str] = set()  # the names of the URLs whose servers are ours


def enter(stack: ExitStack) -> None:
    """Put the settings into os.environ and start the servers; they end with the stack."""
    os.environ.update(SETTINGS)
    if os.environ.get("REDIS_URL"):
        url = urlsplit(os.environ["REDIS_URL"])
        os.environ["REDIS_URL"] = url._replace(path=f"/{REDIS_DATABASE}").geturl()
    wanted = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    started.update(wanted)
    if wanted:
        # not TemporaryDirectory, which at exit may remove it before the servers have stopped
        directory = tempfile.mkdtemp(prefix="chat-tests-")
        stack.callback(shutil.rmtree, directory)
        os.environ.update(
            stack.enter_context(embedded.servers(Path(directory), wanted=wanted, durable=False))
        )
