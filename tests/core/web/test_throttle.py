"""Where limits are counted; while Redis cannot, each process counts by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import Client
from limits import parse
from redis import Redis

from core.local import embedded
from core.models import User
from core.redis import installation
from core.trouble import Trouble
from core.web import counts, throttle
from core.web.counts import LocalCounts
from tests.core.conftest import StartValkey
from tests.support.sockets import wait_until

WHO = "192.0.2.7 dora"

pytestmark = pytest.mark.django_db  # the prefix of its keys


@pytest.fixture
def full_redis(settings: Any, tmp_path: Path) -> Iterator[Redis]:
    """A Valkey that has no room left, and evicts nothing."""
    with embedded.servers(tmp_path, wanted=["REDIS_URL"]) as env:
        settings.REDIS_URL = env["REDIS_URL"]
        throttle.limiter.cache_clear()
        with Redis.from_url(settings.REDIS_URL) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
            yield client
    throttle.limiter.cache_clear()


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    throttle.limiter.cache_clear()
    yield
    throttle.limiter.cache_clear()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "alone", LocalCounts())
    monkeypatch.setattr(throttle, "counting", Trouble(throttle.logger, "Redis does not count"))


@pytest.mark.parametrize("state", ["full_redis", "no_redis"])
def test_the_limits_hold_without_the_common_count(
    request: pytest.FixtureRequest, state: str
) -> None:
    request.getfixturevalue(state)
    passed = [throttle.allowed("x", "3/minute", WHO) for _ in range(5)]
    assert passed == [True, True, True, False, False]
    assert throttle.allowed("x", "3/minute", "192.0.2.8 dora")
    throttle.forget("x", "3/minute", WHO)
    assert throttle.allowed("x", "3/minute", WHO)


def test_wrong_passwords_are_limited_while_redis_is_full(client: Client, full_redis: Redis) -> None:
    User.objects.create_user("dora", password="tulips and roses")
    right = {"username": "dora", "password": "tulips and roses"}
    for _ in range(10):
        wrong = client.post("/accounts/sign-in/", right | {"password": "no"})
        assert wrong.status_code == 200
    assert client.post("/accounts/sign-in/", right).status_code == 429
    full_redis.config_set("maxmemory", 0)  # there is room again: the common count begins
    assert client.post("/accounts/sign-in/", right).status_code == 302


def test_redis_that_cannot_count_is_said_and_not_each_time(
    no_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        throttle.allowed("x", "3/minute", WHO)
    (line,) = [record.getMessage() for record in caplog.records if "count" in record.getMessage()]
    assert "Redis does not count" in line


@pytest.fixture
def own_limiter() -> Iterator[None]:
    """One that is made anew for the settings of this test."""
    throttle.limiter.cache_clear()
    yield
    throttle.limiter(installation.prefix()).storage.storage.close()  # type: ignore[attr-defined]
    throttle.limiter.cache_clear()


@pytest.mark.parametrize("is_cluster", [True, False])
def test_a_password_with_escaped_characters_opens_it(
    settings: Any, start_valkey: StartValkey, own_limiter: None, is_cluster: bool
) -> None:
    """Where it did not, limits were off without a word."""
    place = start_valkey(
        *("--cluster-enabled", "yes" if is_cluster else "no", "--requirepass", "S3@cret#")
    )
    settings.REDIS_URL = f"redis://:S3%40cret%23@{place}/0"
    settings.REDIS_CLUSTER = is_cluster
    if is_cluster:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
            wait_until(
                lambda: client.cluster("INFO")["cluster_state"] == "ok", "The cluster is down"
            )
    found = [throttle.allowed("test", "2/minute", "a") for _ in range(3)]
    assert found == [True, True, False]


# -- the counts by themselves -----------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [600.0]
    monkeypatch.setattr(counts.time, "monotonic", lambda: now[0])
    return now


def test_what_was_a_window_ago_weighs_less_and_less(clock: list[float]) -> None:
    local, limit = LocalCounts(), parse("10/minute")

    def passing() -> int:
        return [local.hit(limit, WHO) for _ in range(20)].count(True)

    assert passing() == 10
    clock[0] += 59
    assert passing() == 0
    clock[0] += 1 + 30  # half of the next minute is over
    assert passing() == 5
    clock[0] += 120
    assert passing() == 10


def test_no_more_is_remembered_than_fits_and_what_is_in_use_stays(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "KEYS_MAX", 100)
    local, limit = LocalCounts(), parse("1/minute")
    assert local.hit(limit, WHO)
    for n in range(1_000):
        assert local.hit(limit, str(n))
        assert not local.hit(limit, WHO)
    assert len(local) == 100
