"""Which files come first, so that no worker is left alone with a long one at the end."""

import pytest

BROWSER = "tests/browser/"  # one after the other, so that a worker starts Chromium once
LONG: tuple[str, ...] = ()


def longest_first(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    if file in LONG:
        return LONG.index(file)
    return len(LONG) + (not file.startswith(BROWSER))
