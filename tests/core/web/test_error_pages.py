"""Pages that say what went wrong ask nobody anything: the database may be what is wrong."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.functional import SimpleLazyObject

from chat.factories import UserFactory
from core.trouble import Trouble
from core.web import outage

TEMPLATES = Path(settings.BASE_DIR) / "core/templates"
PAGES = sorted(page.name for page in TEMPLATES.glob("[45]*.html"))


def away(request: HttpRequest) -> HttpResponse:
    raise OperationalError("connection refused")


def read(request: HttpRequest) -> HttpResponse:
    request.session["read"] = True
    return HttpResponse()


urlpatterns = [path("away/", away), path("chat/", away, name="rooms"), path("read/", read)]


@pytest.mark.parametrize("page", PAGES)
def test_an_error_page_looks_up_nobody(page: str) -> None:
    """Django makes them on threads whose connections nobody gives back to the pool: a few hundred
    requests for pages that are not there were the end of a server."""
    assert len(PAGES) >= 7
    request = RequestFactory().get("/nope/")

    def look_up() -> Any:
        raise AssertionError("asked who this is")

    request.user = SimpleLazyObject(look_up)  # type: ignore[assignment]
    request.session = SimpleLazyObject(look_up)  # type: ignore[assignment]
    request._messages = SimpleLazyObject(look_up)  # type: ignore[attr-defined] # noqa: SLF001 - Django's place for them
    assert "<h1>" in render_to_string(page, request=request)


@pytest.mark.django_db
def test_who_is_signed_in_costs_no_query_on_a_page_that_is_not_there(client: Client) -> None:
    from django.db import connection

    client.force_login(UserFactory())
    assert get_user(client).is_authenticated  # type: ignore[arg-type]
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/nope/", secure=True).status_code == 404
    assert len(queries) == 0


@pytest.mark.urls(__name__)
def test_while_the_database_is_away_a_page_says_to_try_again(client: Client) -> None:
    response = client.get("/away/", secure=True)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert "Temporarily unavailable" in response.content.decode()


@pytest.mark.urls(__name__)
def test_so_does_a_page_whose_session_cannot_be_saved_when_it_is_done(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*args: Any, **options: Any) -> None:
        raise OperationalError("cannot execute INSERT in a read-only transaction")

    monkeypatch.setattr("core.accounts.sessions.SessionStore.save", save)
    response = client.get("/read/", secure=True)
    assert (response.status_code, "Retry-After" in response) == (503, True)


@pytest.mark.urls(__name__)
def test_an_outage_is_said_once_however_many_pages_it_costs(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "serving", Trouble(outage.logger, "Pages could not be served"))
    for _ in range(5):
        assert client.get("/away/", secure=True).status_code == 503
    assert caplog.messages == ["Pages could not be served: /away/: connection refused"]
