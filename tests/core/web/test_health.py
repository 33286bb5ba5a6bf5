"""/healthz and /livez, as a load balancer asks them."""

import time
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from core.database import readiness as database
from core.database.postgresql.base import DatabaseWrapper
from core.web import health


@pytest.mark.django_db
def test_ready_while_both_answer(client: Client) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "postgresql": "ok",
        "tables": "ok",
        "redis": "ok",
        "down": [],
    }
    assert "no-store" in response["Cache-Control"]


ASKED = {"postgresql": "core.web.health._ask_postgresql", "redis": "core.redis.readiness.ask"}


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

    monkeypatch.setattr(ASKED[name], fail)
    response = client.get("/healthz")
    assert response.status_code == status
    answers = response.json()
    assert answers.pop("status") == ("ok" if status == 200 else "unavailable")
    assert answers.pop(name) == "away"
    if name == "postgresql":
        assert answers.pop("tables") == "unknown"
    assert answers.pop("down") == []
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


BESIDE = ["127.0.0.1", "::1", "10.1.2.3", "::ffff:172.30.77.3", "fd00::7", "100.64.0.9"]
ELSEWHERE = ["203.0.114.9", "2a00:1450::5", "::ffff:8.8.8.8", ""]


@pytest.mark.django_db
@pytest.mark.parametrize("address", BESIDE)
def test_the_details_are_for_who_is_beside_us(client: Client, address: str) -> None:
    assert len(client.get("/healthz", REMOTE_ADDR=address).json()) > 1


@pytest.mark.django_db
@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_load_balancer_elsewhere_learns_the_code_only(
    client: Client, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    answer = client.get("/healthz", REMOTE_ADDR=address)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]
    monkeypatch.setattr(database, "_migrated", set())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'chat'")
    answer = client.get("/healthz", REMOTE_ADDR=address)
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert client.get("/livez", REMOTE_ADDR=address).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "header", ["X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"]
)
@pytest.mark.parametrize("path", ["/healthz", "/livez"])
def test_through_a_proxy_there_is_no_such_page(client: Client, path: str, header: str) -> None:
    """Though it comes from beside us, as each request does there, whatever it is said to be."""
    assert client.get(path, headers={header: "127.0.0.1"}).status_code == 404
    assert client.post(path, headers={header: "127.0.0.1"}).status_code in (403, 404)


def test_live_asks_nobody(client: Client) -> None:
    # Without the django_db mark a query would fail the test.
    response = client.get("/livez")
    assert response.status_code == 200


@pytest.mark.django_db
def test_a_postgresql_that_is_not_there_is_called_away_while_who_asks_still_waits(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = DatabaseWrapper(connection.settings_dict | {"HOST": "127.0.0.1", "PORT": "1"}, "away")
    monkeypatch.setattr(database, "connection", away)
    began = time.monotonic()
    try:
        answers = client.get("/healthz").json()
    finally:
        away.close_pool()
    assert time.monotonic() - began < health.WITHIN + 1
    assert (answers["postgresql"], answers["tables"]) == ("away", "unknown")


def test_a_redis_that_is_not_there_is_noticed_quickly(
    client: Client, settings: Any, db: None
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert client.get("/healthz").json()["redis"] == "away"
