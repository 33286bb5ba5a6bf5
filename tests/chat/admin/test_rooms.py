from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import AuditEntry, Message, Room, Sanction
from tests.chat.admin.pages import Look, at

pytestmark = pytest.mark.django_db


def room_form(room: Room, **changes: Any) -> dict[str, Any]:
    form = {"slug": room.slug, "title": room.title, "topic": "", "kind": room.kind}
    return {**form, "slow_mode_seconds": 0, **changes}


def test_a_room_can_be_archived_and_its_log_cannot_be_touched(moderator: Client) -> None:
    room = MessageFactory().room
    form = room_form(room, is_archived="on", head=99, message_count=99)
    response = moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    assert response.status_code == 302
    room.refresh_from_db()
    assert room.is_archived
    assert (room.head, room.message_count) == (1, 1)


@pytest.mark.parametrize("fields", [None, ["title"]])
def test_a_room_that_was_read_before_somebody_wrote_does_not_turn_its_log_back(
    fields: list[str] | None,
) -> None:
    room = RoomFactory()
    MessageFactory.create_batch(2, room=Room.objects.get(pk=room.pk))
    room.title = "New"
    room.save(update_fields=fields)
    room.refresh_from_db()
    assert (room.title, room.head, room.message_count) == ("New", 2, 2)
    assert MessageFactory(room=room).seq == 3


def test_no_room_becomes_direct_and_a_direct_one_stays_so(moderator: Client) -> None:
    room, direct = RoomFactory(), RoomFactory(direct=True)
    for target, kind in ((room, "direct"), (direct, "open")):
        form = room_form(target, kind=kind)
        moderator.post(f"/admin/chat/room/{target.pk}/change/", form, secure=True)
        before = target.kind
        target.refresh_from_db()
        assert target.kind == before


def test_a_direct_room_stays_where_it_is(moderator: Client) -> None:
    direct = RoomFactory(direct=True)
    form = room_form(direct, slug="us-two", is_archived="on")
    moderator.post(f"/admin/chat/room/{direct.pk}/change/", form, secure=True)
    kept = Room.objects.get()
    assert (kept.slug, kept.is_archived) == (direct.slug, True)


def test_only_a_superuser_opens_a_private_room(moderator: Client) -> None:
    """What was said in it would be everybody's."""
    room = RoomFactory(private=True)
    address, form = f"/admin/chat/room/{room.pk}/change/", {"kind": "open", "title": "Ours"}
    assert moderator.post(address, room_form(room, **form), secure=True).status_code == 302
    room.refresh_from_db()
    assert (room.kind, room.title) == ("private", "Ours")
    without_address = room_form(room, **form, slug="")
    assert moderator.post(address, without_address, secure=True).status_code == 302
    room.refresh_from_db()
    assert room.slug.startswith("private--")
    moderator.force_login(UserFactory(is_staff=True, is_superuser=True))
    moderator.post(address, room_form(room, **form), secure=True)
    room.refresh_from_db()
    assert room.kind == "open"


def test_a_moderator_makes_an_open_room_private(moderator: Client) -> None:
    room = RoomFactory()
    form = room_form(room, kind="private")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    room.refresh_from_db()
    assert room.kind == "private"


def test_a_private_room_without_an_address_gets_one_that_nobody_guesses(moderator: Client) -> None:
    form = {"title": "Party", "kind": "private", "slug": "", "slow_mode_seconds": 0}
    for _ in range(2):
        assert moderator.post("/admin/chat/room/add/", form, secure=True).status_code == 302
    slugs = set(Room.objects.values_list("slug", flat=True))
    assert len(slugs) == 2
    assert all(len(slug) == len("private--") + 16 for slug in slugs)
    page = moderator.post("/admin/chat/room/add/", form | {"kind": "open"}, secure=True)
    assert "A room needs an address" in page.content.decode()


def test_what_nothing_reads_yet_is_not_for_setting(look: Look) -> None:
    membership = MembershipFactory()
    assert 'name="slow_mode_seconds"' in look(f"chat/room/{membership.room_id}/change/").text
    assert "retention" not in look(f"chat/room/{membership.room_id}/change/").text
    assert 'name="role"' in look(f"chat/membership/{membership.pk}/change/").text
    assert "notify" not in look(f"chat/membership/{membership.pk}/change/").text


def test_a_room_shows_when_it_was_last_spoken_in(look: Look) -> None:
    MessageFactory(created_at=at(9))
    assert look("chat/room/").rows[0].last_at == at(9)


def test_a_moderator_gives_a_role_and_puts_nobody_into_a_direct_room(moderator: Client) -> None:
    room, direct, person = RoomFactory(), RoomFactory(direct=True), UserFactory()
    for target, code in ((room, 302), (direct, 200)):
        form = {"room": target.pk, "user": person.pk, "role": "moderator"}
        response = moderator.post("/admin/chat/membership/add/", form, secure=True)
        assert response.status_code == code
    assert room.memberships.get().role == "moderator"
    assert not direct.memberships.filter(user=person).exists()


def test_the_membership_of_a_direct_room_is_not_taken_away(moderator: Client) -> None:
    membership = RoomFactory(direct=True).memberships.first()
    delete = f"/admin/chat/membership/{membership.pk}/delete/"
    assert moderator.post(delete, {"post": "yes"}, secure=True).status_code == 403
    plain = MembershipFactory()
    form = {"action": "delete_selected", "_selected_action": [membership.pk, plain.pk]}
    moderator.post("/admin/chat/membership/", {**form, "post": "yes"}, secure=True)
    membership.refresh_from_db()


def test_a_sanction_bears_the_name_of_who_gave_it(moderator: Client) -> None:
    person = UserFactory()
    form = {"user": person.pk, "kind": "mute", "reason": "shouting"}
    response = moderator.post("/admin/chat/sanction/add/", form, secure=True)
    assert response.status_code == 302
    sanction = Sanction.objects.get()
    assert sanction.by is not None
    assert sanction.by.is_staff
    assert (sanction.user, sanction.room) == (person, None)


def test_what_a_moderator_changes_is_in_the_audit_log(moderator: Client) -> None:
    def noted() -> tuple[str, str, Any]:
        entry = AuditEntry.objects.first()  # the newest
        assert entry is not None
        assert entry.actor is not None
        assert entry.actor_name == entry.actor.username
        return entry.action, entry.target, entry.detail

    room, person = RoomFactory(title="Lobby", slug="lobby"), UserFactory(display_name="Bob")
    form = room_form(room, is_archived="on")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    action, target, detail = noted()
    assert (action, target, detail["is_archived"]) == ("change room", "Lobby (lobby)", True)
    form = {"user": person.pk, "kind": "ban", "reason": "shouting"}
    moderator.post("/admin/chat/sanction/add/", form, secure=True)
    action, target, detail = noted()
    assert (action, detail["kind"], detail["reason"]) == ("add sanction", "ban", "shouting")
    assert detail["user"] == person.pk
    one, other = MembershipFactory(room=room, user=person), MembershipFactory(room=room)
    delete = f"/admin/chat/membership/{one.pk}/delete/"
    moderator.post(delete, {"post": "yes"}, secure=True)
    assert noted()[:2] == ("delete membership", f"{person} in Lobby (lobby) (member)")
    form = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    moderator.post("/admin/chat/membership/", form, secure=True)
    assert noted()[2]["id"] == other.pk
    assert AuditEntry.objects.count() == 4


def test_the_audit_log_is_shown(look: Look) -> None:
    AuditEntry.objects.create(actor_name="Mo", action="ban", target="somebody")
    assert "somebody" in look("chat/auditentry/").text
    assert look("chat/auditentry/?q=nobody").rows == []
    assert len(look(f"chat/auditentry/?day={timezone.localdate()}").rows) == 1


def test_every_model_of_moderators_is_in_the_admin() -> None:
    registered = {model.__name__ for model in admin.site._registry}
    assert {"Room", "Message", "Membership", "User", "Sanction", "AuditEntry"} <= registered
    assert Message in admin.site._registry
