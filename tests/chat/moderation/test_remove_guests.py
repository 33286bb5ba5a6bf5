"""Guests who only looked in are forgotten; nobody else is."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.utils import timezone

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.models import AuditEntry, Membership, Message, Reaction, Revision, Room, Sanction
from chat.moderation import idle_guests
from core.models import User

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=31)


def old_guest(**fields: Any) -> User:
    guest = User.objects.create_guest()
    User.objects.filter(pk=guest.pk).update(date_joined=LONG_AGO, **fields)
    guest.refresh_from_db()
    return guest


def remove(**options: Any) -> str:
    out = StringIO()
    call_command("remove_guests", **options, stdout=out)
    return out.getvalue()


def message_of(author: User) -> Message:
    room = RoomFactory()
    return Message.objects.create(room=room, seq=1, pos=1, author=author, client_id=uuid.uuid4())


def test_guests_who_only_looked_in_are_removed_with_their_memberships(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_guests, "BATCH", 2)
    room, other = RoomFactory(), MembershipFactory()
    for _ in range(5):
        Membership.objects.create(room=room, user=old_guest(last_seen_at=LONG_AGO))
    assert remove() == "Removed 5 guests not seen for 30 days.\n"
    assert not User.objects.filter(is_guest=True).exists()
    assert list(Membership.objects.all()) == [other]
    assert Room.objects.filter(pk=room.pk).exists()
    assert remove(quiet=True) == ""


KEPT: dict[str, Callable[[User], object]] = {
    "wrote": message_of,
    "liked": lambda one: Reaction.objects.create(
        message=message_of(UserFactory()), user=one, emoji="👍"
    ),
    "deleted": lambda one: Message.objects.filter(pk=message_of(UserFactory()).pk).update(
        deleted_by=one, deleted_at=LONG_AGO
    ),
    "corrected": lambda one: Revision.objects.create(
        message=message_of(UserFactory()), kind="edit", by=one
    ),
    "was banned": lambda one: Sanction.objects.create(user=one, kind="ban"),
    "banned": lambda one: Sanction.objects.create(user=UserFactory(), kind="ban", by=one),
    "talks with one": lambda one: Room.objects.create(
        slug="direct--1", kind="direct", direct_low=one, direct_high=UserFactory()
    ),
    "moderates": lambda one: MembershipFactory(user=one, role="moderator"),
    "is staff": lambda one: User.objects.filter(pk=one.pk).update(is_staff=True),
    "is in a group": lambda one: one.groups.add(Group.objects.create(name="some")),
    "is in the audit": lambda one: AuditEntry.objects.create(actor=one, actor_name="x"),
    "came lately": lambda one: User.objects.filter(pk=one.pk).update(date_joined=timezone.now()),
    "was seen lately": lambda one: User.objects.filter(pk=one.pk).update(
        last_seen_at=timezone.now()
    ),
    "became a member": lambda one: User.objects.filter(pk=one.pk).update(is_guest=False),
}


@pytest.mark.parametrize("why", KEPT)
def test_who_left_a_trace_or_was_here_lately_stays(why: str) -> None:
    gone, kept = old_guest(), old_guest()
    KEPT[why](kept)
    assert remove().startswith("Removed 1 guests")
    assert User.objects.filter(pk=kept.pk).exists()
    assert not User.objects.filter(pk=gone.pk).exists()


def test_who_has_a_session_that_lasts_stays(
    client: Client, settings: Any, clean_redis: str
) -> None:
    settings.CHAT_GUESTS = True
    client.get("/chat/lobby/")
    User.objects.update(date_joined=LONG_AGO, last_login=LONG_AGO)
    assert remove().startswith("Removed 0 guests")
    client.session.delete()
    assert remove().startswith("Removed 1 guests")


def test_what_happens_to_one_after_the_look_keeps_them() -> None:
    gone, kept = old_guest(), old_guest()
    before = timezone.now() - timedelta(days=30)
    guests = idle_guests.found(before)
    assert set(guests) == {gone.pk, kept.pk}
    Sanction.objects.create(user=kept, kind="ban")
    assert list(idle_guests.remove(guests, before)) == [1]
    assert list(User.objects.all()) == [kept]


def test_whatever_points_to_a_person_is_found_by_an_index() -> None:
    """Else the foreign key's own check reads the whole table for each guest who goes."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT key.conrelid::regclass::text, key.conname
              FROM pg_constraint key
             WHERE key.contype = 'f' AND key.confrelid = 'core_user'::regclass
               AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = key.conrelid AND i.indkey[0] = key.conkey[1])
        """)
        assert cursor.fetchall() == []


def test_days_are_at_least_one() -> None:
    with pytest.raises(CommandError, match="--days must be 1 or more"):
        remove(days=0)
