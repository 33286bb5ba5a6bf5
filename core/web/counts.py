"""Counts of this process alone, for while the common ones in Redis cannot be kept."""

import threading
import time
from collections import OrderedDict

from limits import RateLimitItem

KEYS_MAX = 20_000  # some megabytes; of more, those that were asked for longest ago are forgotten


class LocalCounts:
    """A sliding window as `limits` counts it in Redis: what counted in the window before this one
    weighs as much as of it lies within one window from now. A refused hit does not count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # by key: the window's number, hits in it, and hits in the one before
        self._windows: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def hit(self, item: RateLimitItem, *identifiers: str) -> bool:
        """Count one; False, and nothing is counted, where that is more than `item` allows."""
        key = item.key_for(*identifiers)
        number, part = divmod(time.monotonic(), item.get_expiry())
        now, gone = int(number), part / item.get_expiry()
        with self._lock:
            window, hits, before = self._windows.pop(key, (now, 0, 0))
            if window < now:
                window, hits, before = now, 0, hits if window == now - 1 else 0
            fits = before * (1 - gone) + hits + 1 <= item.amount
            self._windows[key] = (window, hits + fits, before)
            if len(self._windows) > KEYS_MAX:
                self._windows.popitem(last=False)
        return fits

    def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        with self._lock:
            self._windows.pop(item.key_for(*identifiers), None)

    def __len__(self) -> int:
        return len(self._windows)
