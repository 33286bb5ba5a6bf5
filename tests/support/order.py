"""Which files come first, so that no worker is left alone with a long one at the end."""

import pytest

BROWSER = "tests/browser/"  # one after the other, so that a worker starts Chromium once
LONG = (
    "tests/browser/test_looks.py",
    "tests/browser/test_presence.py",
    "tests/browser/test_chatting.py",
    "tests/browser/test_admin.py",
    "tests/browser/test_addresses.py",
    "tests/browser/test_endings.py",
    "tests/browser/test_messages.py",
    "tests/chat/live/test_delivery.py",
    "tests/chat/online/test_presence_in_rooms.py",
    "tests/chat/live/test_limits.py",
    "tests/core/test_run.py",
    "tests/core/test_runserver.py",
    "tests/core/local/test_embedded.py",
    "tests/chat/test_signals.py",
    "tests/chat/admin/test_bad_values.py",
    "tests/chat/rooms/test_addresses.py",
    "tests/faults/test_interleavings.py",
)


def longest_first(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[bool, int]:
    file = item.nodeid.partition("::")[0]
    return not file.startswith(BROWSER), LONG.index(file) if file in LONG else len(LONG)
