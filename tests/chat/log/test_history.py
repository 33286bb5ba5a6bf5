"""Pages and catch-up read from PostgreSQL, each in one statement."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import django_assert_num_queries  # noqa: F401 - its type is above

from chat.factories import MessageFactory, RoomFactory, UserFactory
from chat.log import history
from chat.models import Message, Reaction, Room
from chat.protocol.changes import DELETED, EDITED, POSTED, REACTED, Change, reactions_of
from tests.support.sockets import person_of

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def room() -> Room:
    """Twelve messages, some of them changed."""
    room = RoomFactory()
    MessageFactory.create_batch(7, room=room)
    MessageFactory(room=room, edited=True)
    MessageFactory(room=room, deleted=True)
    MessageFactory(room=room, reacted="🎉")
    MessageFactory(room=room, action=True)
    MessageFactory(room=room, reply_to=Message.objects.get(room=room, seq=3))
    MessageFactory.create_batch(3)  # elsewhere
    return room


def states(changes: list[Change]) -> list[dict[str, Any]]:
    return [json.loads(change.state) for change in changes]


def test_a_page_is_the_newest_messages_oldest_first(room: Room) -> None:
    page = history.page(room.pk, limit=5)
    assert [change.seq for change in page.changes] == [8, 9, 10, 11, 12]
    assert page.more
    assert page.head == Room.objects.get(pk=room.pk).head == 15


def test_a_page_with_all_says_that_there_is_no_more(room: Room) -> None:
    page = history.page(room.pk, limit=12)
    assert (len(page.changes), page.more) == (12, False)


@pytest.mark.parametrize("limit", [1, 2, 5, 11, 12, 50])
def test_paging_back_reaches_the_first_message_without_a_hole_or_a_double(
    room: Room, limit: int
) -> None:
    seen: list[int] = []
    before, more = history.NEWEST, True
    while more:
        page = history.page(room.pk, before=before, limit=limit)
        seen = [change.seq for change in page.changes] + seen
        before, more = seen[0], page.more
    assert seen == list(range(1, 13))


def test_before_the_first_message_there_is_nothing(room: Room) -> None:
    for before in (0, 1):
        page = history.page(room.pk, before=before, limit=5)
        assert (page.changes, page.more, page.head) == ([], False, 15)


def test_an_empty_room_and_one_that_is_gone_have_an_empty_page() -> None:
    assert history.page(RoomFactory().pk, limit=5) == ([], False, 0)
    assert history.page(2**40, limit=5) == ([], False, 0)
    assert history.since(2**40, 0, limit=5) == ([], True, 0)


def test_what_was_missed_is_net_in_order_of_pos_and_each_once(room: Room) -> None:
    missed = history.since(room.pk, 0, limit=500)
    places = [change.pos for change in missed.changes]
    assert places == [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15]
    assert (missed.complete, missed.head) == (True, 15)
    assert [change.pos for change in history.since(room.pk, 9, limit=500).changes] == places[8:]
    assert history.since(room.pk, 15, limit=500) == ([], True, 15)
    assert history.since(room.pk, 2**62, limit=500) == ([], True, 15)


def test_too_much_is_said_to_be_incomplete(room: Room) -> None:
    assert history.since(room.pk, 0, limit=12).complete
    missed = history.since(room.pk, 0, limit=11)
    assert (len(missed.changes), missed.complete, missed.head) == (11, False, 15)


def test_each_message_is_shown_as_it_is_and_announced_by_what_happened_to_it(room: Room) -> None:
    changes = {change.seq: change for change in history.since(room.pk, 0, limit=500).changes}
    shown = {seq: json.loads(change.state) for seq, change in changes.items()}
    for message in Message.objects.filter(room=room).select_related("author"):
        state = shown[message.seq]
        assert (state["id"], state["pos"]) == (message.pk, message.pos)
        assert (state["message"], state["client_id"]) == (message.body, str(message.client_id))
        assert state["user"] == person_of(message.author)
        assert ("edited" in state) == (message.edited_at is not None)
        assert ("deleted" in state) == message.is_deleted
        assert state.get("reply_to") == message.reply_to_id
    assert [changes[seq].kind for seq in (7, 8, 9, 10)] == [POSTED, EDITED, DELETED, REACTED]
    assert "kind" not in shown[1]
    assert shown[11]["kind"] == "action"
    assert list(shown[10]["reactions"]) == ["🎉"]


def test_what_somebody_has_not_seen_is_announced_as_a_message_whatever_happened_to_it(
    room: Room,
) -> None:
    changes = history.since(room.pk, 0, limit=500).changes
    assert {history.as_seen(change, 0).kind for change in changes} == {POSTED}
    assert history.as_seen(changes[7], last_seq=8).kind == EDITED


def test_reactions_stand_in_the_order_in_which_they_were_given() -> None:
    message = MessageFactory()
    one, other, third = UserFactory.create_batch(3)
    for user, emoji in ((third, "👍"), (one, "🎉"), (other, "👍"), (one, "👍")):
        Reaction.objects.create(message=message, user=user, emoji=emoji)
    (state,) = states(history.page(message.room_id, limit=1).changes)
    assert list(state["reactions"].items()) == [
        ("👍", [third.pk, other.pk, one.pk]),
        ("🎉", [one.pk]),
    ]


def test_who_has_no_display_name_is_shown_by_their_username() -> None:
    message = MessageFactory(author=UserFactory(username="plain", display_name=""))
    (state,) = states(history.page(message.room_id, limit=1).changes)
    assert state["user"]["name"] == "plain"


def test_a_read_is_one_statement_however_many_messages_and_reactions(
    room: Room,
    django_assert_num_queries: DjangoAssertNumQueries,  # noqa: F811
) -> None:
    with django_assert_num_queries(3):
        history.page(room.pk, limit=50)
        history.since(room.pk, 0, limit=50)
        history.states(room.pk, list(range(1, 100)))


def test_states_are_of_this_room_only(room: Room) -> None:
    here, there = Message.objects.get(room=room, seq=1), MessageFactory()
    assert list(history.states(room.pk, [here.pk, there.pk, 2**40])) == [here.pk]
    assert history.states(room.pk, []) == {}


def test_heads_are_by_room_and_those_that_are_gone_have_none(room: Room) -> None:
    empty = RoomFactory()
    assert history.heads([room.pk, empty.pk, 2**40]) == {room.pk: 15, empty.pk: 0}


@given(st.lists(st.tuples(st.sampled_from(["👍", "🎉", '"', "\\", "é"]), st.integers(1, 2**62))))
def test_reactions_are_grouped_by_emoji(pairs: list[tuple[str, int]]) -> None:
    grouped = reactions_of(pairs)
    once = set(pairs)
    assert sorted((emoji, user) for emoji, users in grouped.items() for user in users) == sorted(
        once
    )
