"""Deleting messages in the admin: through the room's log, as moderators in the room do."""

import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from chat.admin import messages
from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import AuditEntry, Message, Revision
from chat.protocol.changes import Change
from core.models import User
from tests.chat.admin.pages import Look
from tests.support.servers import ChatServer
from tests.support.sockets import PATIENCE, Cast, signed_in

LIST = "/admin/chat/message/"


def delete(client: Client, *chosen: Message, **form: Any) -> Any:
    form |= {"action": "delete_messages", "_selected_action": [one.pk for one in chosen]}
    return client.post(LIST, form, secure=True, follow=True)


class TestPages:
    pytestmark = pytest.mark.django_db

    @pytest.fixture(autouse=True)
    def told(self, monkeypatch: pytest.MonkeyPatch) -> dict[int, Sequence[Change]]:
        """What was announced, by room."""
        told: dict[int, Sequence[Change]] = {}
        monkeypatch.setattr(messages, "announce", told.__setitem__)
        return told

    def test_it_takes_its_place_in_the_log_and_the_text_is_kept(
        self, moderator: Client, told: dict[int, Sequence[Change]]
    ) -> None:
        room = RoomFactory(private=True)  # the moderator is no member
        one, other = MessageFactory.create_batch(2, room=room, body="Buy gold")
        elsewhere, stays = MessageFactory(), MessageFactory(room=room)
        page = delete(moderator, one, other, elsewhere, reason="spam")
        assert "3 deleted." in page.content.decode()
        deleter = User.objects.get(is_staff=True)
        for message in (one, other, elsewhere):
            message.refresh_from_db()
            assert (message.body, message.deleted_by) == ("", deleter)
        assert {one.pos, other.pos} == {4, 5}
        assert Message.objects.get(pk=stays.pk).deleted_at is None
        room.refresh_from_db()
        assert room.head == 5
        kept = Revision.objects.get(message=one)
        assert (kept.kind, kept.body, kept.reason, kept.by) == (
            *("delete", "Buy gold", "spam"),
            deleter,
        )
        announced = {pk: [(c.kind, c.id) for c in changes] for pk, changes in told.items()}
        assert {pk: sorted(changes) for pk, changes in announced.items()} == {
            room.pk: [("chat.deleted", one.pk), ("chat.deleted", other.pk)],
            elsewhere.room_id: [("chat.deleted", elsewhere.pk)],
        }

    def test_it_is_in_the_audit_log(self, moderator: Client) -> None:
        message = MessageFactory(room=RoomFactory(title="Lobby"))
        delete(moderator, message)
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.target) == ("delete message", "#1 in Lobby")
        assert entry.detail["id"] == message.pk

    def test_what_is_deleted_already_is_left_as_it_is(
        self, moderator: Client, told: dict[int, Sequence[Change]]
    ) -> None:
        message = MessageFactory(deleted=True)
        assert "0 deleted." in delete(moderator, message).content.decode()
        assert not told
        assert not AuditEntry.objects.exists()

    def test_it_is_one_page_at_a_time(self, moderator: Client) -> None:
        first = MessageFactory()
        MessageFactory.create_batch(50, room=first.room)
        page = delete(moderator, first, select_across="1")
        assert "one page at a time" in page.content.decode()
        assert not Message.objects.exclude(deleted_at=None).exists()

    def test_moderators_are_offered_it_and_who_may_only_look_is_not(
        self, look: Look, client: Client
    ) -> None:
        message = MessageFactory()
        page = look("chat/message/").text
        assert "Delete selected messages" in page
        assert 'name="reason"' in page
        assert "delete_selected" not in page
        watcher = UserFactory(staff=True, join_moderators=False)
        watcher.user_permissions.add(Permission.objects.get(codename="view_message"))
        MembershipFactory(room=message.room, user=watcher, moderator=True)
        client.force_login(watcher)
        assert "Delete selected messages" not in look("chat/message/").text
        delete(client, message)
        message.refresh_from_db()
        assert not message.is_deleted


def test_those_who_are_in_the_room_see_it(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Any
) -> None:
    watchers = [enter(server, cast.room, cast.member) for server in (chat, second)]
    watchers[0].send(message="Buy gold")
    (pk,) = {watcher.until("chat.message")["id"] for watcher in watchers}
    cookies = signed_in(chat, UserFactory(staff=True))
    with httpx.Client(base_url=chat.url, cookies=cookies, timeout=PATIENCE) as site:
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', site.get(LIST).text))
        form = {"action": "delete_messages", "_selected_action": pk, "csrfmiddlewaretoken": token}
        assert site.post(LIST, data=form).status_code == 302
    for watcher in watchers:
        assert watcher.until("chat.deleted", id=pk)["message"] == ""
    assert not [frame for frame in watchers[0].meanwhile() if frame["type"] == "chat.history"]
