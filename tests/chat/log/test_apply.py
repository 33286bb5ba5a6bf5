"""Edit, delete, react, read: who may, what is kept, and what a repeat does: nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.log import apply, history
from chat.log.write import ReadTo, Write
from chat.models import Membership, Message, Reaction, Revision, Room, Sanction
from chat.protocol.changes import Change, Repeated
from chat.protocol.commands import Command, Delete, Edit, Post, React, Read
from chat.protocol.errors import Refused
from core.models import User
from tests.support.sockets import Cast, cast_of

pytestmark = pytest.mark.usefixtures("db")


def do(room: Room, user: User, command: Command) -> Any:
    (outcome,) = apply.apply([Write(room.pk, user.pk, command)])
    return outcome


def code(outcome: Any) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def state(change: Change) -> dict[str, Any]:
    return msgspec.json.decode(change.state)


def head(room: Room) -> int:
    return Room.objects.get(pk=room.pk).head


def sanction(cast: Cast, kind: str, user: User, **fields: Any) -> None:
    Sanction.objects.create(**{"room": cast.room, "kind": kind, "user": user} | fields)


COMMANDS: list[Callable[[Message], Command]] = [
    lambda message: Post(message="hello"),
    lambda message: Edit(id=message.pk, message="after"),
    lambda message: React(id=message.pk, emoji="👍"),
]
WRITES = pytest.mark.parametrize("command", COMMANDS, ids=["post", "edit", "react"])


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, lambda message: Delete(id=message.pk)],
    ids=["post", "edit", "react", "delete"],
)
def test_a_closed_account_does_nothing_any_more(
    cast: Cast, message: Message, command: Callable[[Message], Command]
) -> None:
    User.objects.filter(pk=cast.member.pk).update(is_active=False)
    assert code(do(cast.room, cast.member, command(message))) == "forbidden"
    assert head(cast.room) == message.pos


# -- edit -------------------------------------------------------------------------------------


def test_an_edit_takes_the_next_pos_leaves_seq_and_keeps_the_text_before(
    cast: Cast, message: Message
) -> None:
    change = do(cast.room, cast.member, Edit(id=message.pk, message="after"))
    assert (change.kind, change.pos, change.seq) == ("chat.edited", 2, 1)
    shown = state(change)
    assert (shown["message"], "edited" in shown) == ("after", True)
    message.refresh_from_db()
    assert (message.body, message.pos, message.seq) == ("after", 2, 1)
    assert message.edited_at is not None
    revision = Revision.objects.get(message=message)
    assert (revision.kind, revision.body, revision.by) == ("edit", "before", cast.member)


def test_repeating_an_edit_changes_nothing_and_takes_no_pos(cast: Cast, message: Message) -> None:
    edit = Edit(id=message.pk, message="after")
    first, second = do(cast.room, cast.member, edit), do(cast.room, cast.member, edit)
    assert isinstance(second, Repeated)
    assert second.change == first
    assert head(cast.room) == 2
    assert Revision.objects.count() == 1


@pytest.mark.parametrize("who", ["owner", "moderator"])
def test_nobody_edits_the_words_of_another_not_even_a_moderator(
    cast: Cast, message: Message, who: str
) -> None:
    edit = Edit(id=message.pk, message="put into her mouth")
    assert code(do(cast.room, getattr(cast, who), edit)) == "forbidden"
    message.refresh_from_db()
    assert message.body == "before"


@pytest.mark.parametrize("trait", ["notice", "bot"])
def test_what_no_person_wrote_is_not_edited(cast: Cast, trait: str) -> None:
    message = MessageFactory(room=cast.room, author=cast.member, kind=trait)
    assert code(do(cast.room, cast.member, Edit(id=message.pk, message="x"))) == "forbidden"


def test_a_deleted_message_is_neither_edited_nor_reacted_to(cast: Cast) -> None:
    gone = MessageFactory(room=cast.room, author=cast.member, deleted=True)
    assert code(do(cast.room, cast.member, Edit(id=gone.pk, message="x"))) == "not_found"
    assert code(do(cast.room, cast.member, React(id=gone.pk, emoji="👍"))) == "not_found"
    assert Message.objects.get(pk=gone.pk).body == ""


# -- delete -----------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["member", "owner", "moderator"])
def test_the_author_and_moderators_delete_and_what_was_there_is_kept_for_moderators(
    cast: Cast, message: Message, who: str
) -> None:
    user = getattr(cast, who)
    change = do(cast.room, user, Delete(id=message.pk, reason="off topic"))
    assert (change.kind, change.pos) == ("chat.deleted", 2)
    shown = state(change)
    assert (shown["message"], "deleted" in shown) == ("", True)
    message.refresh_from_db()
    assert (message.body, message.deleted_by, message.is_deleted) == ("", user, True)
    revision = Revision.objects.get(message=message)
    assert (revision.kind, revision.body) == ("delete", "before")
    assert (revision.by, revision.reason) == (user, "off topic")


def test_another_member_does_not_delete(cast: Cast, message: Message) -> None:
    other = MembershipFactory(room=cast.room).user
    assert code(do(cast.room, other, Delete(id=message.pk))) == "forbidden"


def test_a_moderator_of_another_room_does_not_delete_here(cast: Cast, message: Message) -> None:
    other = MembershipFactory(moderator=True).user
    MembershipFactory(room=cast.room, user=other)
    assert code(do(cast.room, other, Delete(id=message.pk))) == "forbidden"


def test_deleting_again_changes_nothing_and_takes_no_pos(cast: Cast, message: Message) -> None:
    first = do(cast.room, cast.member, Delete(id=message.pk))
    second = do(cast.room, cast.moderator, Delete(id=message.pk, reason="too late"))
    assert isinstance(second, Repeated)
    assert second.change == first
    assert (head(cast.room), Revision.objects.count()) == (2, 1)


def test_who_is_muted_may_still_take_back_what_they_said(cast: Cast, message: Message) -> None:
    sanction(cast, "mute", cast.member)
    assert isinstance(do(cast.room, cast.member, Delete(id=message.pk)), Change)


# -- react ------------------------------------------------------------------------------------


def test_a_reaction_is_given_once_a_person_and_taken_back(cast: Cast, message: Message) -> None:
    thumb = React(id=message.pk, emoji="👍")
    first = do(cast.room, cast.owner, thumb)
    assert (first.kind, state(first)["reactions"]) == ("chat.reaction", {"👍": [cast.owner.pk]})
    assert isinstance(do(cast.room, cast.owner, thumb), Repeated)
    second = do(cast.room, cast.member, thumb)
    assert state(second)["reactions"] == {"👍": [cast.owner.pk, cast.member.pk]}
    back = do(cast.room, cast.owner, React(id=message.pk, emoji="👍", on=False))
    assert state(back)["reactions"] == {"👍": [cast.member.pk]}
    assert head(cast.room) == back.pos == 4
    again = do(cast.room, cast.owner, React(id=message.pk, emoji="👍", on=False))
    assert isinstance(again, Repeated)
    assert head(cast.room) == 4


def test_a_message_has_room_for_so_many_different_emoji(
    cast: Cast, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reaction, "DISTINCT_MAX", 2)
    for emoji in ("👍", "🎉"):
        do(cast.room, cast.owner, React(id=message.pk, emoji=emoji))
    assert code(do(cast.room, cast.owner, React(id=message.pk, emoji="🚀"))) == "forbidden"


def test_a_message_takes_so_many_reactions_in_all(
    cast: Cast, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is sent to everybody with each change."""
    monkeypatch.setattr(Reaction, "ALL_MAX", 2)
    assert isinstance(do(cast.room, cast.member, React(id=message.pk, emoji="👍")), Change)
    assert isinstance(do(cast.room, cast.owner, React(id=message.pk, emoji="👍")), Change)
    refused = do(cast.room, cast.moderator, React(id=message.pk, emoji="👍"))
    assert code(refused) == "forbidden"
    assert isinstance(do(cast.room, cast.owner, React(id=message.pk, emoji="👍", on=False)), Change)


# -- read -------------------------------------------------------------------------------------


def test_a_read_position_moves_forward_only_and_not_past_the_last_message(
    cast: Cast, message: Message
) -> None:
    MessageFactory.create_batch(4, room=cast.room, edited=True)  # so that the head is far ahead
    assert do(cast.room, cast.member, Read(seq=3)) == ReadTo(3)
    assert do(cast.room, cast.member, Read(seq=2)) == ReadTo(3)
    assert do(cast.room, cast.member, Read(seq=2**62)) == ReadTo(5)
    assert Membership.objects.get(room=cast.room, user=cast.member).read_seq == 5
    assert head(cast.room) == 9


# -- who may ----------------------------------------------------------------------------------


@WRITES
def test_a_member_may_write_and_the_outsider_of_a_private_room_may_not(
    command: Callable[[Message], Command],
) -> None:
    cast = cast_of(private=True)
    message = MessageFactory(room=cast.room, author=cast.outsider)
    assert code(do(cast.room, cast.outsider, command(message))) == "forbidden"
    assert code(do(cast.room, cast.outsider, Delete(id=message.pk))) == "forbidden"
    MembershipFactory(room=cast.room, user=cast.outsider)
    assert isinstance(do(cast.room, cast.outsider, command(message)), Change)


@WRITES
def test_the_banned_write_nothing(cast: Cast, command: Callable[[Message], Command]) -> None:
    message = MessageFactory(room=cast.room, author=cast.banned)
    assert code(do(cast.room, cast.banned, command(message))) == "forbidden"
    assert code(do(cast.room, cast.banned, Delete(id=message.pk))) == "forbidden"


@WRITES
@pytest.mark.parametrize(("kind", "refusal"), [("ban", "forbidden"), ("mute", "muted")])
def test_a_sanction_on_the_whole_site_holds_in_each_room(
    cast: Cast, message: Message, command: Callable[[Message], Command], kind: str, refusal: str
) -> None:
    sanction(cast, kind, cast.member, room=None)
    assert code(do(cast.room, cast.member, command(message))) == refusal


@WRITES
def test_a_mute_holds_here_and_not_in_another_room(
    cast: Cast, message: Message, command: Callable[[Message], Command]
) -> None:
    sanction(cast, "mute", cast.member, room=RoomFactory())
    assert isinstance(do(cast.room, cast.member, command(message)), Change)
    sanction(cast, "mute", cast.member)
    again = Post(message="muted") if isinstance(command(message), Post) else command(message)
    assert code(do(cast.room, cast.member, again)) == "muted"


@WRITES
@pytest.mark.parametrize("kind", ["mute", "ban"])
def test_a_sanction_ends_when_its_time_is_over(
    cast: Cast, message: Message, command: Callable[[Message], Command], kind: str
) -> None:
    sanction(cast, kind, cast.member, until=timezone.now() - timedelta(seconds=1))
    assert isinstance(do(cast.room, cast.member, command(message)), Change)


@WRITES
@pytest.mark.parametrize(("kind", "refusal"), [("ban", "forbidden"), ("mute", "muted")])
def test_a_sanction_holds_until_its_time_is_over(
    cast: Cast, message: Message, command: Callable[[Message], Command], kind: str, refusal: str
) -> None:
    sanction(cast, kind, cast.member, until=timezone.now() + timedelta(minutes=1))
    assert code(do(cast.room, cast.member, command(message))) == refusal


@WRITES
def test_an_archived_room_takes_nothing_more_but_a_deletion(
    cast: Cast, message: Message, command: Callable[[Message], Command]
) -> None:
    Room.objects.filter(pk=cast.room.pk).update(is_archived=True)
    assert code(do(cast.room, cast.owner, Post(message="x"))) == "archived"
    assert code(do(cast.room, cast.member, command(message))) == "archived"
    assert isinstance(do(cast.room, cast.moderator, Delete(id=message.pk)), Change)


@pytest.mark.parametrize(
    "command",
    [
        lambda pk: Edit(id=pk, message="x"),
        lambda pk: Delete(id=pk),
        lambda pk: React(id=pk, emoji="👍"),
    ],
    ids=["edit", "delete", "react"],
)
def test_a_message_of_another_room_is_not_found_like_one_that_never_was(
    cast: Cast, command: Callable[[int], Command]
) -> None:
    elsewhere = MessageFactory(author=cast.member)
    there = do(cast.room, cast.member, command(elsewhere.pk))
    nowhere = do(cast.room, cast.member, command(2**40))
    assert code(there) == code(nowhere) == "not_found"
    assert there.detail == nowhere.detail


def test_a_room_that_is_gone_is_not_found(cast: Cast) -> None:
    outcome = apply.apply([Write(2**40, cast.member.pk, Edit(id=1, message="x"))])[0]
    assert code(outcome) == "not_found"
    assert apply.apply([Write(2**40, cast.member.pk, Read(seq=1))]) == [ReadTo(0)]


def test_many_read_positions_are_written_in_one_statement_each_person_with_the_highest(
    cast: Cast, message: Message
) -> None:
    other = cast_of()
    MessageFactory.create_batch(4, room=cast.room)
    wanted = [(cast.room, cast.member, 2), (cast.room, cast.member, 4), (cast.room, cast.owner, 9)]
    wanted += [(other.room, other.member, 1), (other.room, cast.outsider, 1)]
    writes = [Write(room.pk, user.pk, Read(seq=seq)) for room, user, seq in wanted]
    assert apply.apply(writes) == [ReadTo(seq) for seq in (4, 4, 5, 0, 0)]
    read = Membership.objects.filter(room=cast.room, read_seq__gt=0)
    assert dict(read.values_list("user_id", "read_seq")) == {cast.member.pk: 4, cast.owner.pk: 5}


# -- together ---------------------------------------------------------------------------------


def test_one_batch_over_several_rooms_gives_each_its_own_outcome_in_order(cast: Cast) -> None:
    other = cast_of()
    mine = MessageFactory(room=cast.room, author=cast.member)
    repeated = MessageFactory(room=other.room, author=other.member)
    writes = [
        Write(other.room.pk, other.member.pk, Post(message="first")),
        Write(cast.room.pk, cast.member.pk, Edit(id=mine.pk, message="edited")),
        Write(cast.room.pk, cast.banned.pk, Post(message="refused")),
        Write(
            other.room.pk,
            other.member.pk,
            Post(message="again", client_id=repeated.client_id),
        ),
        Write(cast.room.pk, cast.owner.pk, React(id=mine.pk, emoji="👍")),
        Write(cast.room.pk, cast.owner.pk, Post(message="last")),
    ]
    outcomes = apply.apply(writes)
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["Change", "Change", "Refused", "Repeated", "Change", "Change"]
    for room in (cast.room, other.room):
        room.refresh_from_db()
        messages = Message.objects.filter(room=room)
        assert sorted(messages.values_list("seq", flat=True)) == list(
            range(1, room.message_count + 1)
        )
        assert max(messages.values_list("pos", flat=True)) == room.head
    places = sorted(
        o.pos
        for o, j in zip(outcomes, writes, strict=True)
        if isinstance(o, Change) and j.room == cast.room.pk
    )
    assert places == [2, 3, 4]


@pytest.mark.parametrize(
    "command",
    [
        lambda message: Edit(id=message.pk, message="after"),
        lambda message: Delete(id=message.pk),
        lambda message: React(id=message.pk, emoji="👍"),
    ],
    ids=["edit", "delete", "react"],
)
def test_many_changes_take_as_many_statements_as_one(
    cast: Cast, command: Callable[[Message], Command]
) -> None:
    """All of them under the locks of all their rooms, where posts wait."""

    def statements(count: int) -> int:
        other = cast_of()
        rooms = [cast.room, other.room]
        batch = [
            MessageFactory(room=rooms[n % 2], author=(cast, other)[n % 2].member)
            for n in range(count)
        ]
        writes = [Write(one.room_id, one.author_id, command(one)) for one in batch]
        with CaptureQueriesContext(connection) as queries:
            assert all(isinstance(outcome, Change) for outcome in apply.apply(writes))
        return len(queries)

    assert statements(40) == statements(2)


def test_each_change_of_a_batch_is_announced_as_it_was_after_it(
    cast: Cast, message: Message
) -> None:
    room, user = cast.room.pk, cast.member.pk
    steps: list[tuple[Command, dict[str, Any]]] = [
        (React(id=message.pk, emoji="👍"), {"reactions": {"👍": [user]}}),
        (Edit(id=message.pk, message="after"), {"message": "after", "reactions": {"👍": [user]}}),
        (React(id=message.pk, emoji="👍", on=False), {"message": "after"}),
        (React(id=message.pk, emoji="👍"), {"reactions": {"👍": [user]}}),
        (Delete(id=message.pk), {"message": ""}),
    ]
    outcomes = apply.apply([Write(room, user, command) for command, _ in steps])
    for n, ((_, wanted), outcome) in enumerate(zip(steps, outcomes, strict=True)):
        assert isinstance(outcome, Change)
        shown = state(outcome)
        assert shown["pos"] == outcome.pos == 2 + n
        assert shown.items() >= wanted.items()
        assert ("reactions" in shown) == ("reactions" in wanted)
    stored = history.states(room, [message.pk])[message.pk]
    assert msgspec.json.decode(msgspec.json.encode(stored)) == state(outcomes[-1])
    assert Reaction.objects.filter(message=message).count() == 1  # moderators still see it


def test_what_is_announced_is_what_the_database_has(cast: Cast, message: Message) -> None:
    for command in (Edit(id=message.pk, message="x"), React(id=message.pk, emoji="🎉")):
        announced = do(cast.room, cast.member, command)
        read = history.since(cast.room.pk, announced.pos - 1, limit=1).changes[0]
        assert read.state == announced.state


def test_an_action_on_a_message_of_the_same_batch_sees_it(cast: Cast) -> None:
    """Nobody can name it yet but who guesses its id; still nothing may break."""
    post = do(cast.room, cast.member, Post(message="hello"))
    writes = [
        Write(cast.room.pk, cast.member.pk, Edit(id=post.id, message="one")),
        Write(cast.room.pk, cast.member.pk, Edit(id=post.id, message="two")),
        Write(cast.room.pk, cast.member.pk, Delete(id=post.id)),
        Write(cast.room.pk, cast.member.pk, Delete(id=post.id)),
    ]
    outcomes = apply.apply(writes)
    assert [o.pos for o in outcomes if isinstance(o, Change)] == [2, 3, 4]
    assert isinstance(outcomes[3], Repeated)
    bodies = list(Revision.objects.values_list("body", flat=True))
    assert bodies == ["hello", "one", "two"]


def test_a_user_who_is_gone_writes_nothing(cast: Cast) -> None:
    user = UserFactory(is_active=False)
    assert code(do(cast.room, user, Post(message="x"))) == "forbidden"
