"""How fast something may come: token buckets."""

import time


class Bucket:
    """A token bucket: `burst` at once, then `rate` a second. A rate of 0 is no limit."""

    __slots__ = ("burst", "filled", "rate", "tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self.filled = time.monotonic()

    def level(self) -> float:
        """How many tokens there are now; fewer than none, where more was spent."""
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        return self.tokens

    def spend(self, tokens: float) -> None:
        """Take so many, whether they are there or not."""
        self.tokens -= tokens

    def take(self) -> float:
        """Take a token. Returns 0, or the seconds until there is one."""
        if not self.rate:
            return 0.0
        if self.level() >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate

    def reserve(self) -> float:
        """Take a token, there or not yet. Returns the seconds until it is."""
        if not self.rate:
            return 0.0
        self.level()
        self.tokens -= 1
        return max(0.0, -self.tokens / self.rate)

    @property
    def is_full(self) -> bool:
        return self.tokens + (time.monotonic() - self.filled) * self.rate >= self.burst


class Buckets:
    """A bucket a key; those that have filled up again are forgotten."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[object, Bucket] = {}
        self._sweep_at = 1_000

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, key: object) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._buckets = {k: b for k, b in self._buckets.items() if not b.is_full}
                self._sweep_at = max(1_000, 2 * len(self._buckets))
            bucket = self._buckets[key] = Bucket(self._rate, self._burst)
        return bucket

    def take(self, key: object) -> float:
        return self.of(key).take() if self._rate else 0.0

    def reserve(self, key: object) -> float:
        return self.of(key).reserve() if self._rate else 0.0
