import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from chat.factories import UserFactory
from core.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def keeper() -> User:
    """Staff who may edit accounts, and is no superuser."""
    user: User = UserFactory(staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="core"))
    return user


def change(client: Client, user: User, **values: object) -> int:
    form = {"username": user.username, "display_name": "New", "is_active": "on", **values}
    return client.post(f"/admin/core/user/{user.pk}/change/", form, secure=True).status_code


def test_the_admin_bears_the_name_of_the_site() -> None:
    assert admin.site.site_header == f"{settings.SITE_NAME} moderation"


def test_the_admin_has_the_site_s_icon(client: Client) -> None:
    """Else browsers ask for /favicon.ico at each visit."""
    client.force_login(UserFactory(staff=True))
    for address in ("/admin/", "/admin/chat/message/", "/admin/chat/room/add/"):
        page = client.get(address, secure=True).content.decode()
        assert page.count('rel="icon"') == 1
        assert "chat/favicon" in page


def test_a_moderator_looks_at_accounts_and_changes_none(client: Client) -> None:
    client.force_login(UserFactory(staff=True))
    user = UserFactory()
    page = client.get(f"/admin/core/user/{user.pk}/change/", secure=True)
    assert f"/admin/chat/message/?author={user.pk}" in page.content.decode()
    assert change(client, user) == 403


def test_whoever_edits_accounts_cannot_give_power(client: Client, keeper: User) -> None:
    client.force_login(keeper)
    user = UserFactory()
    assert change(client, user, is_staff="on", is_superuser="on") == 302
    user.refresh_from_db()
    assert user.display_name == "New"
    assert not user.is_staff
    assert not user.is_superuser


@pytest.mark.parametrize("target", ["a superuser", "another moderator", "themselves"])
def test_nor_touch_the_account_of_the_powerful(client: Client, keeper: User, target: str) -> None:
    user = {
        "a superuser": UserFactory(is_superuser=True),
        "another moderator": UserFactory(staff=True),
        "themselves": keeper,
    }[target]
    client.force_login(keeper)
    assert change(client, user) == 403
    password = {"password1": "tulip-field-9", "password2": "tulip-field-9"}
    response = client.post(f"/admin/core/user/{user.pk}/password/", password, secure=True)
    assert response.status_code == 403


def test_a_superuser_may(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    user = UserFactory()
    assert change(client, user, is_staff="on") == 302
    user.refresh_from_db()
    assert user.is_staff


def test_nobody_deletes_an_account(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    user = UserFactory()
    response = client.post(f"/admin/core/user/{user.pk}/delete/", {"post": "yes"}, secure=True)
    assert response.status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_an_account_can_be_made(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    form = {"username": "nora", "usable_password": "true"}
    form |= {"password1": "tulip-field-9", "password2": "tulip-field-9"}
    assert client.post("/admin/core/user/add/", form, secure=True).status_code == 302
    assert User.objects.get(username="nora").check_password("tulip-field-9")


def test_who_may_set_no_password_sees_nothing_of_it(client: Client) -> None:
    moderator, person = UserFactory(staff=True), UserFactory(password="tulip-field-9")
    client.force_login(moderator)
    page = client.get(f"/admin/core/user/{person.pk}/change/", secure=True).content.decode()
    assert person.username in page
    assert "algorithm" not in page
    assert "/password/" not in page
    client.force_login(UserFactory(staff=True, is_superuser=True))
    page = client.get(f"/admin/core/user/{person.pk}/change/", secure=True).content.decode()
    assert "algorithm" in page
