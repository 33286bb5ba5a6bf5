"""/healthz and /livez, as a load balancer asks them."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from core import database, health


@pytest.mark.django_db
def test_ready_while_both_answer(client: Client) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "postgresql": "ok", "tables": "ok", "redis": "ok"}
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (OperationalError("no connection"), "postgresql", 503),
        # the chat goes on without: to take every process out would end what still works
        (RedisConnectionError("no connection"), "redis", 200),
    ],
)
def test_says_which_one_does_not_answer_and_is_well_without_redis(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str, status: int
) -> None:
    def fail() -> Any:
        raise error

    monkeypatch.setattr(health, f"_ask_{name}", fail)
    response = client.get("/healthz")
    assert response.status_code == status
    answers = response.json()
    assert answers.pop("status") == ("ok" if status == 200 else "unavailable")
    assert answers.pop(name) == "away"
    assert set(answers.values()) == {"ok"}


@pytest.mark.django_db
def test_not_ready_before_the_tables_are_there(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "_migrated", set())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'chat'")
    response = client.get("/healthz")
    assert (response.status_code, response.json()["tables"]) == (503, "missing")
    assert "manage.py migrate" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/livez"])
def test_who_asks_from_beside_us_needs_neither_https_nor_our_name(
    client: Client, settings: Settings, path: str
) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path, headers={"host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/chat/", headers={"host": "127.0.0.1:8000"}).status_code in (301, 400)


def test_live_asks_nobody(client: Client) -> None:
    # Without the django_db mark a query would fail the test.
    response = client.get("/livez")
    assert response.status_code == 200


def test_a_redis_that_is_not_there_is_noticed_quickly(
    client: Client, settings: Any, db: None
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    health._redis.cache_clear()
    try:
        assert client.get("/healthz").json()["redis"] == "away"
    finally:
        health._redis.cache_clear()
