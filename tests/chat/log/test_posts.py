"""Many posts in one statement: numbered without holes, each once, each judged for itself."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.utils import timezone

from chat.factories import MembershipFactory, MessageFactory, RoomFactory
from chat.log import apply, posts
from chat.log.apply import Repeated
from chat.log.write import Write
from chat.models import Message, Room, Sanction
from chat.protocol.changes import Change
from chat.protocol.commands import Delete, Post
from chat.protocol.errors import Refused
from core.models import User
from tests.support.sockets import Cast, cast_of


@pytest.fixture
def cast(db: None) -> Cast:
    return cast_of()


@pytest.fixture(
    params=[
        pytest.param(True, marks=pytest.mark.django_db(transaction=True), id="alone"),
        pytest.param(False, marks=pytest.mark.django_db, id="in a transaction"),
    ]
)
def either(request: pytest.FixtureRequest) -> Cast:
    """The statement has a transaction of its own, or shares one with other actions."""
    assert connection.in_atomic_block is not request.param
    return cast_of()


def post(room: Room, *posts: tuple[User, Post]) -> list[Any]:
    return apply.apply([Write(room.pk, user.pk, command) for user, command in posts])


def code(outcome: Any) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def test_posts_take_seq_and_pos_in_order_without_holes(either: Cast) -> None:
    MessageFactory(room=either.room, edited=True)  # pos runs ahead of seq
    outcomes = post(either.room, *[(either.member, Post(message=str(n))) for n in range(5)])
    assert [(o.seq, o.pos) for o in outcomes] == [(n, n + 1) for n in range(2, 7)]
    either.room.refresh_from_db()
    assert (either.room.message_count, either.room.head) == (6, 7)
    bodies = Message.objects.filter(room=either.room, seq__gt=1).order_by("seq")
    assert [message.body for message in bodies] == ["0", "1", "2", "3", "4"]


def test_ids_rise_with_seq(cast: Cast) -> None:
    outcomes = post(cast.room, *[(cast.member, Post(message=str(n))) for n in range(50)])
    assert [o.id for o in outcomes] == sorted(o.id for o in outcomes)


def test_rooms_are_numbered_each_for_itself(cast: Cast) -> None:
    other = RoomFactory()
    rooms = [cast.room, other, cast.room, other, other]
    writes = [Write(room.pk, cast.member.pk, Post(message="x")) for room in rooms]
    assert [o.pos for o in apply.apply(writes) if isinstance(o, Change)] == [1, 1, 2, 2, 3]


def test_what_was_posted_is_announced_as_the_database_has_it(cast: Cast) -> None:
    from chat.log import history

    first = MessageFactory(room=cast.room)
    (change,) = post(cast.room, (cast.member, Post(message="/me waves", reply_to=first.pk)))
    assert change == history.since(cast.room.pk, 1, limit=9).changes[0]


def test_the_same_client_id_again_is_the_same_message_for_ever(cast: Cast) -> None:
    command = Post(message="hello", client_id=uuid4())
    (first,) = post(cast.room, (cast.member, command))
    (second,) = post(cast.room, (cast.member, command))
    assert isinstance(second, Repeated)
    assert second.change == first
    assert Message.objects.filter(room=cast.room).count() == 1


def test_the_same_client_id_twice_in_one_batch_is_one_message(either: Cast) -> None:
    command = Post(message="hello", client_id=uuid4())
    outcomes = post(
        either.room,
        (either.member, command),
        (either.member, Post(message="x")),
        (either.member, command),
    )
    assert isinstance(outcomes[2], Repeated)
    assert outcomes[2].change == outcomes[0]
    assert [outcomes[0].seq, outcomes[1].seq] == [1, 2]
    assert Message.objects.filter(room=either.room).count() == 2


def test_a_repeat_shows_the_message_as_it_is_now(cast: Cast) -> None:
    command = Post(message="hello", client_id=uuid4())
    (first,) = post(cast.room, (cast.member, command))
    apply.apply([Write(cast.room.pk, cast.member.pk, Delete(id=first.id))])
    (again,) = post(cast.room, (cast.member, command))
    assert (again.change.id, again.change.seq, again.change.pos) == (first.id, 1, 2)
    assert b'"deleted"' in again.change.state


def test_another_user_and_another_room_may_use_the_same_client_id(either: Cast) -> None:
    command = Post(message="hello", client_id=uuid4())
    outcomes = post(either.room, (either.member, command), (either.owner, command))
    outcomes += post(RoomFactory(), (either.member, command))
    assert all(isinstance(outcome, Change) for outcome in outcomes)
    assert len({outcome.id for outcome in outcomes}) == 3


def test_a_repeat_is_answered_even_where_nothing_may_be_written_any_more(cast: Cast) -> None:
    """It was accepted; that it was must not be taken back."""
    command = Post(message="hello", client_id=uuid4())
    post(cast.room, (cast.member, command))
    Sanction.objects.create(user=cast.member, room=cast.room, kind="mute")
    Room.objects.filter(pk=cast.room.pk).update(is_archived=True)
    assert isinstance(post(cast.room, (cast.member, command))[0], Repeated)


def test_a_refused_post_takes_no_place(either: Cast) -> None:
    outcomes = post(
        either.room,
        (either.member, Post(message="1")),
        (either.banned, Post(message="no")),
        (either.member, Post(message="no", reply_to=2**40)),
        (either.member, Post(message="2")),
    )
    assert [code(outcomes[1]), code(outcomes[2])] == ["forbidden", "not_found"]
    assert [outcomes[0].pos, outcomes[3].pos] == [1, 2]


def test_a_reply_is_to_a_message_of_the_same_room(cast: Cast) -> None:
    here, there = MessageFactory(room=cast.room), MessageFactory()
    outcomes = post(
        cast.room,
        (cast.member, Post(message="a", reply_to=here.pk)),
        (cast.member, Post(message="b", reply_to=there.pk)),
    )
    assert isinstance(outcomes[0], Change)
    assert code(outcomes[1]) == "not_found"
    assert Message.objects.get(room=cast.room, body="a").reply_to == here


def test_what_begins_with_me_is_an_action(cast: Cast) -> None:
    outcomes = post(
        cast.room,
        (cast.member, Post(message="/me waves")),
        (cast.member, Post(message="/me ")),
        (cast.member, Post(message="/meow")),
    )
    saved = [(m.kind, m.body) for m in Message.objects.filter(room=cast.room).order_by("seq")]
    assert saved == [("action", "waves"), ("text", "/me "), ("text", "/meow")]
    assert b'"kind":"action"' in outcomes[0].state
    assert b'"kind"' not in outcomes[1].state


# -- slow mode --------------------------------------------------------------------------------


@pytest.fixture
def slow(cast: Cast) -> Cast:
    Room.objects.filter(pk=cast.room.pk).update(slow_mode_seconds=30)
    return cast


def test_slow_mode_takes_one_message_a_while_from_each_person(slow: Cast) -> None:
    outcomes = post(slow.room, (slow.member, Post(message="1")))
    outcomes += post(
        slow.room, (slow.member, Post(message="2")), (slow.outsider, Post(message="3"))
    )
    assert isinstance(outcomes[0], Change)
    assert code(outcomes[1]) == "slow_mode"
    assert 0 < outcomes[1].retry_after <= 30
    assert isinstance(outcomes[2], Change)


def test_slow_mode_takes_one_of_two_in_the_same_batch(slow: Cast) -> None:
    outcomes = post(slow.room, *[(slow.member, Post(message=str(n))) for n in range(3)])
    assert isinstance(outcomes[0], Change)
    assert [code(o) for o in outcomes[1:]] == ["slow_mode", "slow_mode"]
    assert outcomes[1].retry_after == 30


def test_slow_mode_is_over_after_its_time(slow: Cast) -> None:
    MessageFactory(
        room=slow.room, author=slow.member, created_at=timezone.now() - timedelta(seconds=31)
    )
    assert isinstance(post(slow.room, (slow.member, Post(message="x")))[0], Change)


@pytest.mark.parametrize("who", ["owner", "moderator"])
def test_slow_mode_spares_moderators(slow: Cast, who: str) -> None:
    user = getattr(slow, who)
    outcomes = post(slow.room, *[(user, Post(message=str(n))) for n in range(3)])
    assert all(isinstance(outcome, Change) for outcome in outcomes)


def test_slow_mode_does_not_count_what_was_not_written(slow: Cast) -> None:
    """A client that came back resends first what had arrived after all."""
    command = Post(message="old", client_id=uuid4())
    MessageFactory(
        room=slow.room,
        author=slow.member,
        client_id=command.client_id,
        created_at=timezone.now() - timedelta(minutes=1),
    )
    outcomes = post(
        slow.room,
        (slow.member, command),
        (slow.member, Post(message="lost", reply_to=2**40)),
        (slow.member, Post(message="new")),
    )
    assert isinstance(outcomes[0], Repeated)
    assert code(outcomes[1]) == "not_found"
    assert isinstance(outcomes[2], Change)


def test_slow_mode_counts_messages_of_this_room_only(slow: Cast) -> None:
    MessageFactory(author=slow.member)
    assert isinstance(post(slow.room, (slow.member, Post(message="x")))[0], Change)


# -- trouble ----------------------------------------------------------------------------------


def test_a_poisoned_post_fails_as_djangos_own_error_and_writes_nothing(either: Cast) -> None:
    whole = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with pytest.raises(DataError), whole:
        post(
            either.room,
            (either.member, Post(message="fine")),
            (either.member, Post(message="a\0b")),
        )
    assert not Message.objects.filter(room=either.room).exists()


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_an_operational_error() -> None:
    """Else it would pass for a poisoned command, and its sender would be told to change it."""
    cast = cast_of()
    with psycopg.connect(**_parameters(), autocommit=True) as another:
        connection.ensure_connection()
        pid = connection.connection.info.backend_pid
        another.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(OperationalError):
            post(cast.room, (cast.member, Post(message="x")))
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_ban_that_commits_while_a_post_waits_for_the_room_is_not_overtaken() -> None:
    import threading

    cast = cast_of()
    outcomes: list[Any] = []

    def write() -> None:
        outcomes.extend(post(cast.room, (cast.member, Post(message="too late"))))
        connection.close()

    with psycopg.connect(**_parameters()) as moderator:
        moderator.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [cast.room.pk])
        thread = threading.Thread(target=write)
        thread.start()
        while not moderator.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchone():
            pass
        moderator.execute(
            "INSERT INTO chat_sanction (user_id, room_id, kind, reason, created_at)"
            " VALUES (%s, %s, 'ban', '', now())",
            [cast.member.pk, cast.room.pk],
        )
        moderator.commit()
        thread.join(30)
    assert code(outcomes[0]) == "forbidden"


def _parameters() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return {name: parameters[name] for name in names if name in parameters}


def test_membership_is_not_needed_in_an_open_room(cast: Cast) -> None:
    assert isinstance(post(cast.room, (cast.outsider, Post(message="x")))[0], Change)


def test_the_outsider_of_a_private_room_is_refused_and_a_member_is_not(cast: Cast) -> None:
    room = RoomFactory(private=True)
    assert code(post(room, (cast.outsider, Post(message="x")))[0]) == "forbidden"
    MembershipFactory(room=room, user=cast.outsider)
    assert isinstance(post(room, (cast.outsider, Post(message="x")))[0], Change)


def test_kinds_are_told_apart_in_one_place() -> None:
    assert posts.as_kind("/me is here ") == ("action", "is here")


@pytest.mark.parametrize("unseen", ["\u200b", "\u2800", "\u3164\u115f", "\x1b", "\ufffc"])
def test_who_does_what_nobody_sees_has_only_typed_me(unseen: str) -> None:
    assert posts.as_kind(f"/me {unseen}") == ("text", f"/me {unseen}")


@pytest.mark.django_db(transaction=True)
def test_the_plan_that_is_kept_walks_indexes_where_it_was_made_for_a_young_database() -> None:
    """A plan is kept for as long as its connection; a join made for ten messages would read all
    of them, for each post, until PostgreSQL has counted them anew."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE chat_message SET (autovacuum_enabled = off)")  # nor analyzed
        cursor.execute("TRUNCATE chat_message CASCADE")  # forgets what ANALYZE has found, too
        cursor.execute("DISCARD PLANS")
    try:
        plan = _plan_of_a_post()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE chat_message RESET (autovacuum_enabled)")
    assert "Index Scan using message_client_id_once" in plan
    assert "Index Scan using chat_message_pkey" in plan
    assert "Seq Scan on chat_message" not in plan


def _plan_of_a_post() -> str:
    cast = cast_of()
    earlier = post(cast.room, (cast.member, Post(message="first")))[0].id
    post(cast.room, (cast.member, Post(message="second", reply_to=earlier)))
    assert connection.connection is not None
    rows = connection.connection.execute(
        "EXPLAIN EXECUTE chat_post (json_build_array(json_build_object("
        "'n', 0, 'room_id', %s::bigint, 'author_id', %s::bigint, 'client_id', gen_random_uuid(),"
        " 'kind', 'text', 'body', 'third', 'reply_to_id', %s::bigint)))",
        [cast.room.pk, cast.member.pk, earlier],
    ).fetchall()
    return "\n".join(line for (line,) in rows)
