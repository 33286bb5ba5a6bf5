"""Token buckets: a burst at once, then a rate. Time is ours here, not the machine's."""

from collections.abc import Iterator

import pytest

from core import rates
from core.rates import Bucket, Buckets
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(rates, "time", clock)
    return clock


def test_a_burst_passes_and_the_next_is_told_how_long_to_wait(clock: Clock) -> None:
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.take() for _ in range(3)] == [0, 0, 0]
    assert bucket.take() == pytest.approx(0.5)


def test_it_fills_at_its_rate_and_not_over_its_burst(clock: Clock) -> None:
    bucket = Bucket(rate=2, burst=3)
    for _ in range(3):
        bucket.take()
    clock.now += 0.5
    assert bucket.take() == 0
    assert bucket.take() > 0
    clock.now += 3_600
    assert [bucket.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_being_refused_costs_nothing_more(clock: Clock) -> None:
    bucket = Bucket(rate=1, burst=1)
    bucket.take()
    for _ in range(100):
        bucket.take()
    clock.now += 1
    assert bucket.take() == 0


def test_a_rate_of_0_is_no_limit(clock: Clock) -> None:
    bucket, buckets = Bucket(rate=0, burst=0), Buckets(rate=0, burst=0)
    assert not any(bucket.take() or buckets.take("key") for _ in range(1_000))


def test_each_key_has_a_bucket_of_its_own(clock: Clock) -> None:
    buckets = Buckets(rate=1, burst=1)
    assert buckets.take(("member", "room")) == 0
    assert buckets.take(("member", "room")) > 0
    assert buckets.take(("member", "another room")) == 0
    assert buckets.take(("owner", "room")) == 0


def test_people_who_have_been_quiet_are_forgotten_and_the_others_are_not(clock: Clock) -> None:
    buckets = Buckets(rate=1, burst=1)
    for key in range(5_000):
        clock.now += 2
        buckets.take(key)
    assert len(buckets) <= 1_001
    assert buckets.take(4_999) > 0


def test_tokens_that_are_not_there_yet_are_reserved_one_after_the_other(clock: Clock) -> None:
    buckets = Buckets(rate=2, burst=2)
    waits = [buckets.reserve("ann") for _ in range(4)]
    assert waits == [0, 0, pytest.approx(0.5), pytest.approx(1)]
    clock.now += 1.5
    assert buckets.reserve("ann") == 0
    assert [Buckets(rate=0, burst=0).reserve("ann") for _ in range(2)] == [0, 0]
