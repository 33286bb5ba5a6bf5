"""What is new to whom, as the database says it; the page's own rule is tested in the browser."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.log.apply import apply
from chat.log.write import ReadTo, Write
from chat.models import Membership, Message, Room
from chat.protocol.commands import Delete, Edit, Post, React, Read, decode
from chat.rooms import admission, entering
from chat.rooms.lists import rooms_of
from core.accounts.identity import Claim
from core.models import User

pytestmark = pytest.mark.django_db

# One message by `other` in a room that `me` had read to its end: is it new to me?
KINDS: dict[str, tuple[Callable[[Room, User, User], Any], bool]] = {
    "another's": (lambda room, me, other: MessageFactory(room=room, author=other), True),
    "an action": (
        lambda room, me, other: MessageFactory(room=room, author=other, action=True),
        True,
    ),
    "a bot's": (lambda room, me, other: MessageFactory(room=room, bot=True), True),
    "a reply to me": (
        lambda room, me, other: MessageFactory(
            room=room, author=other, reply_to=room.messages.get(author=me)
        ),
        True,
    ),
    "edited": (lambda room, me, other: MessageFactory(room=room, author=other, edited=True), True),
    "reacted": (
        lambda room, me, other: MessageFactory(room=room, author=other, reacted=True),
        True,
    ),
    "deleted": (
        lambda room, me, other: MessageFactory(room=room, author=other, deleted=True),
        False,
    ),
    "a notice": (
        lambda room, me, other: MessageFactory(room=room, author=other, notice=True),
        False,
    ),
    "my own": (lambda room, me, other: MessageFactory(room=room, author=me), False),
    "my own, which another deleted": (
        lambda room, me, other: MessageFactory(room=room, author=me, deleted=other),
        False,
    ),
    "an edit of what I have read": (
        lambda room, me, other: do(room, other, Edit, message="x"),
        False,
    ),
    "a deletion of what I have read": (lambda room, me, other: do(room, other, Delete), False),
    "a reaction to mine": (
        lambda room, me, other: do(room, other, React, by=me, emoji="👍"),
        False,
    ),
    "an edit of mine": (lambda room, me, other: do(room, me, Edit, by=me, message="x"), False),
    "nothing": (lambda room, me, other: None, False),
}


def do(room: Room, user: User, command: Any, by: User | None = None, **fields: Any) -> None:
    """Change the message that is there already, of `user` or `by`."""
    message = room.messages.get(author=by or user)
    (outcome,) = apply([Write(room.pk, user.pk, command(id=message.pk, **fields))])
    assert outcome.pos > message.pos  # type: ignore[union-attr]
    room.refresh_from_db()


def is_unread(room: Room, user: User) -> bool:
    (line,) = (each for each in rooms_of(user) if each.pk == room.pk)
    return line.unread


@pytest.mark.parametrize("kind", KINDS)
def test_a_room_is_unread_where_a_message_is_new_to_me(kind: str) -> None:
    happens, is_news = KINDS[kind]
    room, me, other = RoomFactory(), UserFactory(), UserFactory()
    for author in (me, other):
        MessageFactory(room=room, author=author)
    for user in (me, other):
        MembershipFactory(room=room, user=user)
    assert not is_unread(room, me)
    happens(room, me, other)
    assert is_unread(room, me) == is_news
    Membership.objects.filter(user=me).update(read_seq=Room.objects.get().message_count)
    assert not is_unread(room, me)


def test_what_stands_behind_messages_that_are_no_news_is_found() -> None:
    room, me = RoomFactory(), UserFactory()
    MembershipFactory(room=room, user=me)
    MessageFactory(room=room, author=me)
    MessageFactory(room=room, deleted=True)
    MessageFactory(room=room, notice=True)
    assert not is_unread(room, me)
    MessageFactory(room=room)
    assert is_unread(room, me)
    other = RoomFactory()
    MembershipFactory(room=other, user=me)
    assert not is_unread(other, me)


def test_a_page_from_before_a_deploy_is_answered_and_changes_nothing() -> None:
    room, me = RoomFactory(), UserFactory()
    MembershipFactory(room=room, user=me)
    MessageFactory.create_batch(2, room=room)
    assert apply([Write(room.pk, me.pk, decoded(type="chat.read", pos=9))]) == [ReadTo(0)]
    assert is_unread(room, me)
    assert apply([Write(room.pk, me.pk, decoded(type="chat.read", seq=1, pos=0))]) == [ReadTo(1)]
    assert apply([Write(room.pk, me.pk, decoded(type="chat.read", pos=9))]) == [ReadTo(1)]


def decoded(**frame: Any) -> Any:
    return decode(json.dumps(frame))


# -- from where on ----------------------------------------------------------------------------


def older_process(room: Room, user: User) -> None:
    """As those write that were started before the migration, and know no read_seq."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chat_membership (room_id, user_id, role, read_pos, notify, joined_at)"
            " VALUES (%s, %s, 'member', 0, 'all', now())",
            [room.pk, user.pk],
        )


def by_a_moderator(room: Room, user: User) -> None:
    client = Client()
    client.force_login(UserFactory(staff=True))
    form = {"room": room.pk, "user": user.pk, "role": "member"}
    client.post("/admin/chat/membership/add/", form, secure=True)


WAYS: dict[str, Callable[[Room, User], Any]] = {
    "by entering": lambda room, user: entering.enter(room.slug, user, "127.0.0.1"),
    "by the manager": Membership.objects.join,
    "by saving a row": lambda room, user: Membership(room=room, user=user).save(),
    "by a row of the room's": lambda room, user: room.memberships.create(user=user),
    "many at once": lambda room, user: Membership.objects.bulk_create(
        [Membership(room=room, user=user)]
    ),
    "by a moderator": by_a_moderator,
    "by a factory": lambda room, user: MembershipFactory(room=room, user=user),
    "by code of before": older_process,
}


@pytest.mark.parametrize("way", WAYS)
def test_who_comes_has_what_was_said_before_as_read(way: str) -> None:
    room, user = RoomFactory(), UserFactory()
    MessageFactory.create_batch(3, room=room, edited=True)
    WAYS[way](room, user)
    assert Membership.objects.get(user=user).read_seq == 3
    assert not is_unread(room, user)
    MessageFactory(room=room)
    WAYS["by the manager"](room, user)  # who is a member stays as they are
    assert is_unread(room, user)


def test_a_new_membership_knows_its_position_at_once() -> None:
    room = RoomFactory()
    MessageFactory.create_batch(2, room=room)
    assert Membership.objects.create(room=room, user=UserFactory()).read_seq == 2
    assert MembershipFactory(room=room, read_seq=1).read_seq == 1
    assert MembershipFactory(room=room, unread=True).read_seq == 0
    assert MembershipFactory.build(room=room, user=UserFactory()).read_seq == 2


def test_who_was_there_before_the_first_message_has_read_none_by_writing() -> None:
    room, me = RoomFactory(), UserFactory()
    MessageFactory(room=room)
    apply([Write(room.pk, me.pk, Post(message="me too"), joins=True)])
    assert Membership.objects.get(user=me).read_seq == 0
    assert is_unread(room, me)
    assert apply([Write(room.pk, me.pk, Read(seq=2), joins=True)]) == [ReadTo(2)]
    assert not is_unread(room, me)


def test_a_tab_that_reconnects_has_read_nothing_by_that() -> None:
    """It sat in the room before anything was said there, and nobody has looked at it since."""
    room, me = RoomFactory(vacant_since=timezone.now()), UserFactory()
    claim = Claim(me.pk, me.get_session_auth_hash())

    def come(*, is_back: bool) -> bool:
        admitted = admission.enter(claim, room.slug, "192.0.2.1", is_back=is_back)
        assert admitted is not None
        return admitted.is_member

    assert not come(is_back=False)
    apply([Write(room.pk, UserFactory().pk, Post(message="hello"), joins=True)])
    assert not come(is_back=True)
    assert not room.memberships.filter(user=me).exists()
    apply([Write(room.pk, me.pk, Post(message="who is there?"), joins=True)])
    assert is_unread(room, me)
    assert come(is_back=True)
    stranger = UserFactory()
    claim = Claim(stranger.pk, stranger.get_session_auth_hash())
    assert come(is_back=False)


def test_the_admin_shows_the_position_and_lets_nobody_choose_it(client: Client) -> None:
    client.force_login(UserFactory(staff=True))
    room, person = RoomFactory(), UserFactory()
    MessageFactory.create_batch(3, room=room)
    new = "/admin/chat/membership/add/"
    assert "read_seq" not in client.get(new, secure=True).content.decode()
    form = {"room": room.pk, "user": person.pk, "role": "member", "read_seq": 1}
    client.post(new, form, secure=True)
    membership = Membership.objects.get(user=person)
    assert membership.read_seq == 3
    page = f"/admin/chat/membership/{membership.pk}/change/"
    client.post(page, {"role": "owner", "read_seq": 1}, secure=True)
    membership.refresh_from_db()
    assert (membership.role, membership.read_seq) == ("owner", 3)
    shown = client.get(page, secure=True).content.decode()
    assert re.search(r"Read seq.*?<div class=.readonly.>3</div>", shown, flags=re.S)


# -- whatever happens -------------------------------------------------------------------------

MINE, OTHERS, NOTICE, DELETED = "mine", "others", "notice", "deleted"


class TestWhateverHappens(TestCase):
    @given(
        st.lists(st.sampled_from([MINE, OTHERS, NOTICE, DELETED]), max_size=6),
        st.lists(
            st.tuples(st.sampled_from(["read", "delete", "react", "edit"]), st.integers(0, 7))
        ),
    )
    def test_unread_is_what_the_log_and_one_position_say(
        self, said: list[str], then: list[tuple[str, int]]
    ) -> None:
        room, me, other = RoomFactory(), UserFactory(), UserFactory()
        MembershipFactory(room=room, user=me)
        for kind in said:
            MessageFactory(
                room=room,
                author=me if kind == MINE else other,
                kind="notice" if kind == NOTICE else "text",
                deleted=kind == DELETED,
            )
        read, news = 0, {n for n, kind in enumerate(said, 1) if kind == OTHERS}
        for what, n in then:
            if what == "read":
                read = max(read, min(n, len(said)))
                outcome = apply([Write(room.pk, me.pk, Read(seq=n))])
                assert outcome == [ReadTo(read)]
            elif 1 <= n <= len(said):
                message = Message.objects.get(room=room, seq=n)
                commands = {"delete": Delete, "react": React, "edit": Edit}
                fields = {"react": {"emoji": "👍"}, "edit": {"message": "x"}}.get(what, {})
                apply([Write(room.pk, message.author_id, commands[what](id=message.pk, **fields))])
                news -= {n} if what == "delete" else set()
        assert is_unread(room, me) == any(n > read for n in news)


# -- how it is found --------------------------------------------------------------------------

SCENE = """
INSERT INTO chat_room (slug, title, topic, kind, head, message_count, is_archived,
                       slow_mode_seconds, created_at)
    SELECT 'many-' || n, '', '', 'open', {many}, {many}, false, 0, now()
      FROM generate_series(1, {rooms}) n;
INSERT INTO chat_message (room_id, seq, pos, author_id, client_id, kind, body, created_at)
    SELECT id, seq, seq, {author}, gen_random_uuid(), 'text', 'hello', now()
      FROM chat_room, generate_series(1, {many}) seq WHERE slug LIKE 'many-%';
INSERT INTO chat_membership (room_id, user_id, role, read_seq, notify, joined_at)
    SELECT id, {reader}, 'member', {many} - row_number() OVER () % 2, 'all', now() FROM chat_room
     WHERE slug LIKE 'many-%';
ANALYZE chat_room, chat_message, chat_membership;
"""


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(each for inside in plan.get("Plans", ()) for each in nodes(inside))]


@pytest.mark.parametrize("rooms", [150, 2])
def test_who_has_many_rooms_is_answered_by_walks_along_an_index(
    rooms: int, django_assert_num_queries: Any
) -> None:
    """Of two rooms, too, in which a reader of the whole table would soon meet what it looks for."""
    author, reader = UserFactory(), UserFactory()
    scene = SCENE.format(rooms=rooms, many=15_000 // rooms, author=author.pk, reader=reader.pk)
    with connection.cursor() as cursor:
        cursor.execute(scene)
    with django_assert_num_queries(1) as asked:
        unread = [line.unread for line in rooms_of(reader)]
    assert len(unread) == rooms
    assert True in unread
    assert False in unread
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked[0]['sql']}")
        found = nodes(cursor.fetchone()[0][0]["Plan"])
    on_messages = [node for node in found if node.get("Relation Name") == "chat_message"]
    assert {node["Node Type"] for node in on_messages} == {"Index Scan"}
    assert {node["Index Name"] for node in on_messages} == {"message_seq_once_a_room"}
    (news,) = (node for node in on_messages if "seq >" in node["Index Cond"])
    assert news["Actual Loops"] == sum(unread), "it looked into rooms that are read to their end"
    assert re.search(r"author_id.*deleted_at|deleted_at.*author_id", news["Filter"])
