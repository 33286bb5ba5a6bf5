"""A session goes on for whoever comes back, and ends for whoever does not."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from chat.rooms import lists
from core.models import User

pytestmark = pytest.mark.django_db

LIFE = timedelta(seconds=settings.SESSION_COOKIE_AGE)
NEARLY = LIFE - timedelta(minutes=1)
POLL = "/chat/?part=list"  # what a room's page asks for while it is looked at


@pytest.fixture
def member(client: Client) -> User:
    user = User.objects.create_user("dora")
    client.force_login(user)
    return user


def age(by: timedelta) -> None:
    for session in Session.objects.all():
        Session.objects.filter(pk=session.pk).update(expire_date=session.expire_date - by)


def life_left() -> timedelta:
    return Session.objects.get().expire_date - timezone.now()


@pytest.mark.parametrize("page", ["/chat/", POLL, "/chat/lobby/", "/accounts/sign-in/"])
def test_a_session_more_than_half_over_is_renewed_by_a_page(
    client: Client, member: User, page: str
) -> None:
    age(LIFE / 2 + timedelta(minutes=1))
    response = client.get(page)
    assert life_left() > NEARLY
    assert response.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == settings.SESSION_COOKIE_AGE
    assert client.session["_auth_user_id"] == str(member.pk)


def test_a_younger_one_is_not_written(client: Client, member: User) -> None:
    age(LIFE / 2 - timedelta(minutes=1))
    before = Session.objects.get().expire_date
    assert settings.SESSION_COOKIE_NAME not in client.get(POLL).cookies
    assert Session.objects.get().expire_date == before


def test_a_guest_who_comes_every_week_stays_the_same(client: Client, clean_redis: str) -> None:
    client.get("/chat/lobby/")
    for _ in range(5):
        age(timedelta(days=8))
        client.get("/chat/lobby/")
    assert User.objects.get().is_guest


def test_one_that_is_over_stays_over(client: Client, member: User) -> None:
    age(LIFE + timedelta(minutes=1))
    assert not client.get(POLL).context["user"].is_authenticated
    assert life_left() < timedelta()


def test_one_that_is_ended_while_a_page_is_made_is_not_made_anew(
    client: Client, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign_out_elsewhere(user: Any) -> list[Any]:
        Session.objects.all().delete()
        return []

    age(LIFE * 0.75)
    monkeypatch.setattr(lists, "rooms_of", sign_out_elsewhere)
    assert client.get(POLL).status_code == 400
    assert not Session.objects.exists()


def test_a_sign_out_ends_an_old_one_too(client: Client, member: User) -> None:
    age(LIFE * 0.75)
    client.post("/accounts/sign-out/")
    assert not Session.objects.exists()
