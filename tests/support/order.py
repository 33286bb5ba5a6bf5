"""Which files come first, so that no worker is left alone with a long one at the end.

Of those, what keeps the processor busy (browsers, and processes that start) takes turns with what
mostly waits, so that one goes on while the other does nothing.
"""

import pytest

LONG = (
    "tests/browser/test_looks.py",
    "tests/core/test_runserver.py",
    "tests/browser/test_presence.py",
    "tests/core/daphne/test_flood.py",
    "tests/browser/test_chatting.py",
    "tests/chat/online/test_presence_in_rooms.py",
    "tests/browser/test_admin.py",
    "tests/chat/live/test_delivery.py",
    "tests/core/test_run.py",
    "tests/chat/live/test_limits.py",
    "tests/browser/test_messages.py",
    "tests/core/local/test_embedded.py",
    "tests/browser/test_addresses.py",
    "tests/core/local/test_embedded_watch.py",
    "tests/browser/test_endings.py",
    "tests/browser/test_reconnecting.py",
    "tests/chat/rooms/test_addresses.py",
    "tests/core/test_server.py",
    "tests/faults/test_interleavings.py",
    "tests/core/redis/test_installation.py",
    "tests/core/local/test_embedded_places.py",
    "tests/core/local/test_checkout.py",
)


def longest_first(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    return LONG.index(file) if file in LONG else len(LONG)
