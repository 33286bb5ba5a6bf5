import re
import uuid
from typing import Any

import factory.random
import pytest
from django.conf import settings
from django.contrib.auth.models import Permission

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import Membership, Message, Room
from chat.moderation.moderators import PERMISSIONS, moderators
from core.models import User

db = pytest.mark.django_db


@db
def test_a_user_has_a_name_and_no_password_unless_given_one() -> None:
    user = UserFactory()
    assert user.display_name
    assert not user.has_usable_password()
    assert UserFactory(password="tulip").check_password("tulip")


@db
def test_a_guest_is_a_guest_and_a_bot_is_none() -> None:
    assert UserFactory(guest=True).is_guest
    assert not UserFactory(bot=True).is_guest


@db
def test_staff_may_moderate_and_nothing_more() -> None:
    moderator = UserFactory(staff=True)
    assert moderator.is_staff
    assert not moderator.is_superuser
    assert moderator.get_all_permissions() == set(PERMISSIONS)
    assert UserFactory(staff=True, join_moderators=False).get_all_permissions() == set()


@db
def test_every_permission_of_the_moderators_exists() -> None:
    for permission in PERMISSIONS:
        app, codename = permission.split(".")
        assert Permission.objects.filter(content_type__app_label=app, codename=codename).exists()


@db
def test_a_permission_taken_from_the_moderators_stays_taken() -> None:
    moderators().permissions.clear()
    assert UserFactory(staff=True).get_all_permissions() == set()


@db
def test_rooms_come_in_every_kind() -> None:
    assert RoomFactory().kind == Room.Kind.OPEN
    assert RoomFactory(private=True).kind == Room.Kind.PRIVATE
    assert RoomFactory(archived=True).is_archived
    assert RoomFactory(slow=True).slow_mode_seconds > 0


@db
def test_a_direct_room_has_its_pair_as_members_and_nobody_else() -> None:
    room = RoomFactory(direct=True)
    assert room.direct_low_id < room.direct_high_id
    assert set(room.memberships.values_list("user", flat=True)) == {
        room.direct_low_id,
        room.direct_high_id,
    }


@db
def test_the_two_of_a_direct_room_may_be_given_in_any_order() -> None:
    first, second = UserFactory.create_batch(2)
    room = RoomFactory(direct=True, direct_low=second, direct_high=first)
    assert (room.direct_low, room.direct_high) == (first, second)


@db
def test_memberships_have_roles() -> None:
    assert MembershipFactory().role == Membership.Role.MEMBER
    assert MembershipFactory(moderator=True).moderates
    assert MembershipFactory(owner=True).role == Membership.Role.OWNER


@db
def test_messages_take_their_places_from_the_room() -> None:
    room = RoomFactory()
    batch = MessageFactory.create_batch(3, room=room)
    assert [(m.seq, m.pos) for m in batch] == [(1, 1), (2, 2), (3, 3)]
    room.refresh_from_db()
    assert (room.message_count, room.head) == (3, 3)


@db
def test_two_instances_of_a_room_share_its_places() -> None:
    room = RoomFactory()
    MessageFactory(room=room)
    stale = Room.objects.get(pk=room.pk)
    MessageFactory(room=room)
    assert MessageFactory(room=stale).seq == 3


@db
def test_places_cannot_be_chosen() -> None:
    with pytest.raises(TypeError, match="room's to give"):
        MessageFactory(seq=7)


@db
def test_an_edit_keeps_the_text_before_and_takes_a_new_pos() -> None:
    room = RoomFactory()
    message = MessageFactory(room=room, body="Hello", edited="Helo")
    message.refresh_from_db()
    assert (message.seq, message.pos, message.body) == (1, 2, "Hello")
    assert message.edited_at
    revision = message.revisions.get()
    assert (revision.kind, revision.body, revision.by) == ("edit", "Helo", message.author)
    assert MessageFactory(room=room).pos == 3


@db
def test_a_delete_moves_the_text_into_a_revision() -> None:
    moderator = UserFactory()
    message = MessageFactory(body="Buy now", deleted=moderator)
    message.refresh_from_db()
    assert (message.seq, message.pos, message.body) == (1, 2, "")
    assert message.is_deleted
    assert message.deleted_by == moderator
    revision = message.revisions.get()
    assert (revision.kind, revision.body, revision.by) == ("delete", "Buy now", moderator)


@db
def test_a_reaction_takes_a_new_pos() -> None:
    message = MessageFactory(reacted="🎉")
    message.refresh_from_db()
    assert message.pos == 2
    assert message.reactions.get().emoji == "🎉"


@db
def test_all_that_can_happen_happens_in_order() -> None:
    message = MessageFactory(edited=True, reacted=True, deleted=True)
    room = Room.objects.get(pk=message.room_id)
    assert (message.seq, message.pos) == (1, 4)
    assert (room.message_count, room.head) == (1, 4)
    assert [r.kind for r in message.revisions.all()] == ["edit", "delete"]


@db
def test_a_reply_answers_an_earlier_message_of_its_room() -> None:
    reply = MessageFactory(reply=True)
    assert reply.reply_to.room == reply.room
    assert (reply.reply_to.seq, reply.seq) == (1, 2)


@db
def test_messages_come_in_every_kind() -> None:
    assert MessageFactory().kind == Message.Kind.TEXT
    assert MessageFactory(action=True).kind == Message.Kind.ACTION
    assert MessageFactory(notice=True).kind == Message.Kind.NOTICE
    bot = MessageFactory(bot=True)
    assert bot.kind == Message.Kind.BOT
    assert bot.author.username.startswith("bot")


def test_build_needs_no_database_and_keeps_the_rules() -> None:
    room = RoomFactory.build()
    batch = MessageFactory.build_batch(2, room=room)
    assert [(m.seq, m.pos) for m in batch] == [(1, 1), (2, 2)]
    deleted = MessageFactory.build(room=room, deleted=True)
    assert (deleted.seq, deleted.pos, deleted.body) == (3, 4, "")
    assert (room.message_count, room.head) == (3, 4)
    assert UserFactory.build(staff=True).is_staff
    assert RoomFactory.build(direct=True).direct_low.username


def _something() -> tuple[str, str, str, uuid.UUID]:
    factory.random.reseed_random(7)
    message = MessageFactory.build()
    return message.author.display_name, message.room.topic, message.body, message.client_id


def test_the_same_seed_gives_the_same_message() -> None:
    assert _something() == _something()


@db
def test_a_user_may_be_made_beside_others() -> None:
    UserFactory.create_batch(3)
    assert User.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize("made", [RoomFactory, UserFactory])
def test_a_second_shell_goes_on_after_what_the_first_has_made(made: Any) -> None:
    made.create_batch(3)
    made.reset_sequence()
    made.create_batch(3)


@db
def test_the_example_of_the_documents_works() -> None:
    text = (settings.BASE_DIR / "CONTRIBUTING.md").read_text()
    (block,) = (
        each
        for each in re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)
        if "chat.factories" in each
    )
    names: dict[str, Any] = {}
    exec(block, names)
    room, alice, question, answer = (names[n] for n in ("room", "alice", "question", "answer"))
    assert alice.check_password("tulips and roses")
    assert Membership.objects.get(room=room).role == Membership.Role.OWNER
    assert (question.seq, answer.seq, answer.reply_to) == (1, 2, question)
    assert question.edited_at
    assert answer.is_deleted
    room.refresh_from_db()
    assert (room.kind, room.message_count, room.head) == (Room.Kind.PRIVATE, 52, 55)
