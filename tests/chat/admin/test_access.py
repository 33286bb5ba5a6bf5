import pytest
from django.test import Client

from chat.factories import MessageFactory, UserFactory
from chat.models import AuditEntry
from tests.chat.admin.pages import LISTS, Look, Page

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", [*LISTS, "../core/user"])
def test_an_outsider_is_sent_to_sign_in(client: Client, name: str) -> None:
    for outsider in (None, UserFactory(), UserFactory(guest=True)):
        if outsider:
            client.force_login(outsider)
        response = client.get(f"/admin/chat/{name}/".replace("chat/../", ""), secure=True)
        assert response.status_code == 302
        assert "/admin/login/" in response["Location"]


def test_staff_without_permissions_sees_no_message(client: Client) -> None:
    client.force_login(UserFactory(staff=True, join_moderators=False))
    message = MessageFactory()
    for address in ("", f"{message.pk}/change/"):
        response = client.get(f"/admin/chat/message/{address}", secure=True)
        assert response.status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_a_moderator_sees_every_list_and_the_index(look: Look, name: str) -> None:
    assert look(f"chat/{name}/").response.status_code == 200
    assert "moderation" in look("").text


def test_messages_are_read_only(moderator: Client) -> None:
    message = MessageFactory(body="As it was")
    change = f"/admin/chat/message/{message.pk}/change/"
    assert moderator.post(change, {"body": "Other"}, secure=True).status_code == 403
    assert moderator.get("/admin/chat/message/add/", secure=True).status_code == 403
    delete = f"/admin/chat/message/{message.pk}/delete/"
    assert moderator.post(delete, {"post": "yes"}, secure=True).status_code == 403
    message.refresh_from_db()
    assert message.body == "As it was"


def test_not_even_a_superuser_goes_round_the_log(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    message, entry = MessageFactory(), AuditEntry.objects.create(actor_name="x", action="y")
    for address in (
        f"message/{message.pk}/delete/",
        f"room/{message.room_id}/delete/",
        f"auditentry/{entry.pk}/delete/",
        "message/add/",
        "auditentry/add/",
    ):
        assert client.post(f"/admin/chat/{address}", {}, secure=True).status_code == 403
    page = Page(client, f"chat/message/{message.pk}/change/")
    assert "<textarea" not in page.text
