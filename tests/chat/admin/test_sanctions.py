"""Sanctions in the admin: whom, for how long, and no longer."""

import pytest
from django.test import Client
from django.utils import timezone

from chat.factories import RoomFactory, UserFactory
from chat.models import AuditEntry, Sanction

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
