"""Sanctions in the admin: whom, for how long, and no longer."""

import pytest
from django.test import Client
from django.utils import timezone

from chat.factories import RoomFactory, UserFactory
from chat.models import AuditEntry, Sanction
from core.models import User

pytestmark = pytest.mark.django_db


def test_a_sanction_is_lifted_and_what_happened_stays_known(moderator: Client) -> None:
    person = UserFactory()
    ban = Sanction.objects.create(user=person, kind="ban")
    over = Sanction.objects.create(user=person, kind="mute", until="2020-01-01T00:00:00Z")
    form = {"action": "lift", "_selected_action": [ban.pk, over.pk]}
    response = moderator.post("/admin/chat/sanction/", form, secure=True, follow=True)
    assert "1 lifted." in response.content.decode()
    ban.refresh_from_db()
    assert ban.until <= timezone.now()
    assert not ban.is_in_force
    assert AuditEntry.objects.get().action == "change sanction"


def test_people_and_rooms_of_the_same_name_can_be_told_apart(moderator: Client) -> None:
    """Or a ban would hit the wrong one."""
    for username in ("alice", "alice2"):
        UserFactory(username=username, display_name="Alice Moreau")
    for slug in ("garden", "garden-2"):
        RoomFactory(slug=slug, title="Garden")
    for field, expected in (
        ("user", {"Alice Moreau (alice)", "Alice Moreau (alice2)"}),
        ("room", {"Garden (garden)", "Garden (garden-2)"}),
    ):
        query = f"app_label=chat&model_name=sanction&field_name={field}&term="
        term = "alice" if field == "user" else "garden"
        found = moderator.get(f"/admin/autocomplete/?{query}{term}", secure=True).json()
        assert {each["text"] for each in found["results"]} == expected


def test_a_sanction_keeps_its_person_its_room_and_its_kind(moderator: Client) -> None:
    person, room = UserFactory(), RoomFactory()
    ban = Sanction.objects.create(user=person, room=room, kind="ban")
    form = {"user": UserFactory().pk, "room": "", "kind": "mute", "reason": "it was worse"}
    address = f"/admin/chat/sanction/{ban.pk}/change/"
    assert moderator.post(address, form, secure=True).status_code == 302
    ban.refresh_from_db()
    assert (ban.user, ban.room, ban.kind, ban.reason) == (person, room, "ban", "it was worse")


class TestTheStaff:
    """Moderators do not shut each other out, nor those above them."""

    @pytest.fixture(params=["is_staff", "is_superuser"])
    def powerful(self, request: pytest.FixtureRequest) -> User:
        user: User = UserFactory(**{request.param: True})
        return user

    def test_is_muted_and_banned_by_superusers_only(
        self, moderator: Client, powerful: User
    ) -> None:
        form = {"user": powerful.pk, "kind": "ban", "reason": "mine"}
        page = moderator.post("/admin/chat/sanction/add/", form, secure=True)
        assert "Only a superuser" in page.content.decode()
        assert not Sanction.objects.exists()
        moderator.force_login(UserFactory(is_staff=True, is_superuser=True))
        moderator.post("/admin/chat/sanction/add/", form, secure=True)
        assert Sanction.objects.get().user == powerful

    def test_does_not_lift_what_a_superuser_put_on_it(
        self, moderator: Client, powerful: User
    ) -> None:
        ban = Sanction.objects.create(user=powerful, kind="ban")
        other = Sanction.objects.create(user=UserFactory(), kind="ban")
        form = {"until_0": "2020-01-01", "until_1": "00:00", "reason": ""}
        address = f"/admin/chat/sanction/{ban.pk}/change/"
        assert moderator.post(address, form, secure=True).status_code == 403
        lift = {"action": "lift", "_selected_action": [ban.pk, other.pk]}
        page = moderator.post("/admin/chat/sanction/", lift, secure=True, follow=True)
        assert "1 lifted." in page.content.decode()
        assert Sanction.objects.in_force().get() == ban
