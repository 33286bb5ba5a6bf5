"""What is done to accounts and groups in the admin is in the audit log."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from chat.factories import UserFactory
from chat.models import AuditEntry
from chat.moderation.moderators import moderators
from core.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "tulip-field-9"


@pytest.fixture
def root(client: Client) -> User:
    root: User = UserFactory(username="root", is_staff=True, is_superuser=True)
    client.force_login(root)
    return root


def noted() -> AuditEntry:
    entry = AuditEntry.objects.get()
    for secret in (PASSWORD, *User.objects.values_list("password", flat=True)):
        assert secret not in str(entry.detail)
    assert "password" not in entry.detail
    return entry


def test_power_that_is_given_is_noted(client: Client, root: User) -> None:
    person, group = UserFactory(username="person", password="old-one-9"), moderators()
    form: dict[str, Any] = {"username": "person", "display_name": "P", "is_active": "on"}
    form |= {"is_staff": "on", "groups": [group.pk]}
    address = f"/admin/core/user/{person.pk}/change/"
    assert client.post(address, form, secure=True).status_code == 302
    entry = noted()
    assert (entry.actor, entry.action, entry.target) == (root, "change user", "P (person)")
    assert (entry.detail["is_staff"], entry.detail["groups"]) == (True, ["Moderators"])
    assert "Staff status" in str(entry.detail["what"])


def test_an_account_that_is_made_is_noted(client: Client, root: User) -> None:
    form = {"username": "nora", "usable_password": "true"}
    form |= {"password1": PASSWORD, "password2": PASSWORD}
    client.post("/admin/core/user/add/", form, secure=True)
    assert noted().action == "add user"


def test_a_new_password_is_noted_without_it(client: Client, root: User) -> None:
    person = UserFactory(password="old-one-9")
    form = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    address = f"/admin/core/user/{person.pk}/password/"
    assert client.post(address, form, secure=True).status_code == 302
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    entry = noted()
    assert (entry.action, entry.detail["id"]) == ("change user", person.pk)
    assert entry.detail["what"] == [{"changed": {"fields": ["password"]}}]


def test_a_password_that_cannot_be_noted_is_not_changed(
    client: Client, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**fields: Any) -> None:
        raise RuntimeError

    person = UserFactory(password="old-one-9")
    monkeypatch.setattr(AuditEntry.objects, "create", broken)
    form = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    with pytest.raises(RuntimeError):
        client.post(f"/admin/core/user/{person.pk}/password/", form, secure=True)
    person.refresh_from_db()
    assert person.check_password("old-one-9")


def test_what_a_group_may_do_is_noted(client: Client, root: User) -> None:
    group = moderators()
    right = group.permissions.get(codename="view_user")
    form = {"name": group.name, "permissions": [right.pk]}
    client.post(f"/admin/auth/group/{group.pk}/change/", form, secure=True)
    entry = noted()
    assert (entry.action, entry.target) == ("change group", "Moderators")
    assert entry.detail["permissions"] == [str(right)]
    assert Group.objects.get().permissions.count() == 1


def test_a_name_of_office_is_for_those_who_have_one(client: Client, root: User) -> None:
    person, boss = UserFactory(username="person"), UserFactory(username="boss", is_staff=True)
    for user, status in ((person, 200), (boss, 302)):
        form = {"username": user.username, "display_name": "Admin", "is_active": "on"}
        form |= {"is_staff": "on"} if user.is_staff else {}
        answer = client.post(f"/admin/core/user/{user.pk}/change/", form, secure=True)
        assert answer.status_code == status
        user.refresh_from_db()
        assert (user.display_name == "Admin") == (status == 302)


def test_a_name_from_before_stays_until_it_is_changed(client: Client, root: User) -> None:
    person = UserFactory(username="admin7", display_name="Admin \u3164")
    form = {"username": "admin7", "display_name": "Admin \u3164", "email": "a@b.example"}
    address = f"/admin/core/user/{person.pk}/change/"
    assert client.post(address, form | {"is_active": "on"}, secure=True).status_code == 302
    answer = client.post(address, form | {"display_name": "Mod"}, secure=True)
    assert "marked by the chat itself" in answer.content.decode()


def test_a_name_of_office_comes_and_goes_with_the_power(client: Client, root: User) -> None:
    person = UserFactory(username="person")
    address = f"/admin/core/user/{person.pk}/change/"
    form = {"username": "person", "display_name": "Admin Ann", "is_active": "on"}
    assert client.post(address, form | {"is_staff": "on"}, secure=True).status_code == 302
    answer = client.post(address, form, secure=True)
    assert "marked by the chat itself" in answer.content.decode()
    renamed = form | {"display_name": "Ann"}
    assert client.post(address, renamed, secure=True).status_code == 302
    person.refresh_from_db()
    assert (person.name, person.is_staff) == ("Ann", False)
