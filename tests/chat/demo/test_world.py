from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from chat.factories import RoomFactory
from chat.models import Membership, Message, Reaction, Room
from core.models import User
from tests.chat.rooms_of_before import with_guessable_address

pytestmark = pytest.mark.django_db


def demo() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def debug(settings: Settings) -> None:
    settings.DEBUG = True


def test_everybody_can_sign_in_and_only_mod_may_moderate() -> None:
    assert "alice, bob, carol and mod" in demo()
    users = {user.username: user for user in User.objects.all()}
    assert set(users) == {"alice", "bob", "carol", "mod"}
    assert all(user.check_password("demo") for user in users.values())
    assert [name for name, user in users.items() if user.is_staff] == ["mod"]
    assert not any(user.is_superuser for user in users.values())
    assert users["mod"].has_perm("chat.view_message")


def test_mod_moderates_in_the_lobby() -> None:
    demo()
    assert Membership.objects.get(room__slug="lobby", user__username="mod").moderates


def test_a_lobby_that_somebody_has_entered_before_gets_its_people_too() -> None:
    lobby = Room.objects.create(slug="lobby")
    Membership.objects.create(room=lobby, user=User.objects.create_user("early"))
    demo()
    assert lobby.messages.exists()
    assert lobby.memberships.count() == 5
    assert lobby.memberships.get(user__username="mod").moderates


def test_there_is_a_room_of_every_kind() -> None:
    demo()
    assert set(Room.objects.values_list("kind", flat=True)) == set(Room.Kind.values)
    direct = Room.objects.get(kind=Room.Kind.DIRECT)
    members = set(direct.memberships.values_list("user__username", flat=True))
    assert members == {"alice", "bob"}


def test_the_lobby_has_seen_some_days() -> None:
    demo()
    lobby = Room.objects.get(slug="lobby")
    messages = list(lobby.messages.order_by("seq"))
    assert len(messages) >= 24
    assert [m.seq for m in messages] == list(range(1, len(messages) + 1))
    times = [m.created_at for m in messages]
    assert times == sorted(times)
    assert times[-1] < timezone.now()
    assert len({at.date() for at in times}) >= 3
    assert any(m.edited_at for m in messages)
    assert any(m.reply_to_id for m in messages)
    removed = next(m for m in messages if m.deleted_at)
    assert removed.body == ""
    assert "phone number" in removed.revisions.get().body
    assert Reaction.objects.filter(message__room=lobby).count() >= 5


def test_a_private_room_is_known_again_whatever_people_call_it_and_others() -> None:
    demo()
    ours = Room.objects.get(title="Organisers")
    Room.objects.filter(pk=ours.pk).update(title="The party")
    for _ in range(2):
        Room.objects.create(title="Organisers", kind=Room.Kind.PRIVATE)
    before = set(Room.objects.values_list("pk", "title"))
    demo()
    assert set(Room.objects.values_list("pk", "title")) == before


def test_a_private_room_of_before_is_known_by_the_address_that_it_had() -> None:
    before = with_guessable_address(RoomFactory(private=True, title="Organisers"), "organisers")
    demo()
    assert Room.objects.filter(title="Organisers").get() == before


def test_an_open_room_at_the_address_of_a_private_one_is_left_alone() -> None:
    theirs = Room.objects.create(slug="organisers", title="Ours")
    demo()
    theirs.refresh_from_db()
    assert (theirs.title, theirs.kind) == ("Ours", Room.Kind.OPEN)
    assert Room.objects.filter(title="Organisers", kind=Room.Kind.PRIVATE).count() == 1


def test_a_second_run_changes_nothing_and_costs_next_to_nothing() -> None:
    demo()
    before = list(Message.objects.order_by("pk").values())
    with CaptureQueriesContext(connection) as queries:
        assert demo() == "The demo is there already; nothing was changed.\n"
    assert list(Message.objects.order_by("pk").values()) == before
    assert User.objects.count() == 4
    assert len(queries) <= 25


def test_an_alice_who_was_there_before_keeps_her_password() -> None:
    User.objects.create_user("alice", password="her own")
    demo()
    assert User.objects.get(username="alice").check_password("her own")


def test_a_lobby_where_somebody_spoke_is_left_alone() -> None:
    demo()
    Message.objects.filter(room__slug="lobby").exclude(seq=1).delete()
    demo()
    assert Message.objects.filter(room__slug="lobby").count() == 1


def test_it_refuses_where_passwords_matter(settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="only with DEBUG=on"):
        demo()
    assert not User.objects.exists()
