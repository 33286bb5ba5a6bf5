"""Edits that cross, and how often one may edit: judged under the room's lock."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from chat.factories import MessageFactory, RoomFactory
from chat.log import apply
from chat.log.write import Write
from chat.models import Message, Revision, Room
from chat.protocol.changes import Change, Repeated
from chat.protocol.commands import Delete, Edit, Post, React
from chat.protocol.errors import Refused
from tests.support.sockets import Cast

pytestmark = pytest.mark.usefixtures("db")


def do(cast: Cast, *commands: Any, who: str = "member") -> list[Any]:
    """In one batch."""
    user = getattr(cast, who)
    return apply.apply([Write(cast.room.pk, user.pk, command) for command in commands])


def codes(outcomes: list[Any]) -> list[str]:
    return [each.code if isinstance(each, Refused) else type(each).__name__ for each in outcomes]


def as_received(change: Change) -> Any:
    """What a client holds of a message, and sends back."""
    return msgspec.json.decode(change.state).get("edited")


# -- based_on ---------------------------------------------------------------------------------


def test_an_edit_of_the_text_that_is_there_is_made(cast: Cast, message: Message) -> None:
    (first,) = do(cast, Edit(id=message.pk, message="one", based_on=None))
    frame = {"id": message.pk, "message": "two", "based_on": as_received(first)}
    (second,) = do(cast, msgspec.convert(frame, Edit))
    assert isinstance(second, Change)
    message.refresh_from_db()
    assert message.body == "two"


@pytest.mark.parametrize("off", [None, timedelta(microseconds=1), timedelta(microseconds=-1)])
def test_an_edit_of_another_text_is_a_conflict_to_the_microsecond(
    cast: Cast, message: Message, off: timedelta | None
) -> None:
    do(cast, Edit(id=message.pk, message="theirs"))
    message.refresh_from_db()
    assert message.edited_at
    based_on = None if off is None else message.edited_at + off
    assert codes(do(cast, Edit(id=message.pk, message="mine", based_on=based_on))) == ["conflict"]
    message.refresh_from_db()
    assert (message.body, message.pos, Revision.objects.count()) == ("theirs", 2, 1)


def test_of_two_edits_of_one_text_in_a_batch_the_second_is_a_conflict(
    cast: Cast, message: Message
) -> None:
    edits = [Edit(id=message.pk, message=text, based_on=None) for text in ("one", "two")]
    assert codes(do(cast, *edits)) == ["Change", "conflict"]
    message.refresh_from_db()
    assert message.body == "one"


def test_an_edit_to_the_text_that_is_there_is_never_a_conflict(
    cast: Cast, message: Message
) -> None:
    """So it may be sent again where its answer was lost."""
    edit = Edit(id=message.pk, message="after", based_on=None)
    (first,), (second,) = do(cast, edit), do(cast, edit)
    assert isinstance(second, Repeated)
    assert second.change == first


def test_a_reaction_overtakes_no_edit(cast: Cast, message: Message) -> None:
    do(cast, React(id=message.pk, emoji="👍"), who="owner")
    assert codes(do(cast, Edit(id=message.pk, message="after", based_on=None))) == ["Change"]


def test_who_does_not_say_what_they_edited_is_not_asked(cast: Cast, message: Message) -> None:
    edits = [Edit(id=message.pk, message=text) for text in ("one", "two")]
    assert codes(do(cast, *edits)) == ["Change", "Change"]


def test_what_was_deleted_is_not_there_whatever_an_edit_was_made_from(
    cast: Cast, message: Message
) -> None:
    do(cast, Delete(id=message.pk))
    edit = Edit(id=message.pk, message="after", based_on=timezone.now())
    assert codes(do(cast, edit)) == ["not_found"]


def test_an_action_is_edited_as_it_is_typed(cast: Cast) -> None:
    posted, *_ = do(cast, Post(message="/me waves"))
    edit = Edit(id=posted.id, message="/me waves back", based_on=None)
    assert codes([*do(cast, edit), *do(cast, edit)]) == ["Change", "Repeated"]
    message = Message.objects.get(pk=posted.id)
    assert (message.kind, message.body) == ("action", "waves back")


# -- slow mode --------------------------------------------------------------------------------


@pytest.fixture
def slow(cast: Cast) -> Cast:
    Room.objects.filter(pk=cast.room.pk).update(slow_mode_seconds=30)
    return cast


def edits_of(message: Message, *texts: str) -> list[Edit]:
    return [Edit(id=message.pk, message=text) for text in texts]


def test_slow_mode_takes_the_first_edit_and_then_one_a_while(slow: Cast, message: Message) -> None:
    first, second = edits_of(message, "one", "two")
    assert codes(do(slow, first)) == ["Change"]
    (refused,) = do(slow, second)
    assert (refused.code, 28 <= refused.retry_after <= 30) == ("slow_mode", True)
    message.refresh_from_db()
    assert message.body == "one"


def test_slow_mode_counts_edits_of_one_batch(slow: Cast, message: Message) -> None:
    assert codes(do(slow, *edits_of(message, "one", "two"))) == ["Change", "slow_mode"]


def test_slow_mode_counts_edits_of_whatever_message_in_the_room(
    slow: Cast, message: Message
) -> None:
    latest = MessageFactory(room=slow.room, author=slow.member)
    Message.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    assert codes(do(slow, *edits_of(latest, "one"))) == ["Change"]
    assert codes(do(slow, *edits_of(message, "one"))) == ["slow_mode"]


def test_slow_mode_ends_for_edits_too(slow: Cast, message: Message) -> None:
    first, second = edits_of(message, "one", "two")
    do(slow, first)
    Revision.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    assert codes(do(slow, second)) == ["Change"]


def test_slow_mode_never_makes_one_wait_longer_than_it_says(slow: Cast, message: Message) -> None:
    """The clock of the machine that wrote may be ahead."""
    first, second = edits_of(message, "one", "two")
    do(slow, first)
    Revision.objects.update(created_at=timezone.now() + timedelta(hours=1))
    (refused,) = do(slow, second)
    assert refused.retry_after == 30


def test_slow_mode_counts_no_edit_that_was_refused_or_changed_nothing(
    slow: Cast, message: Message
) -> None:
    gone = MessageFactory(room=slow.room, author=slow.member, deleted=True)
    Message.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    conflict = Edit(id=message.pk, message="x", based_on=timezone.now())
    refused = do(slow, *edits_of(gone, "x"), conflict, *edits_of(message, "before"))
    assert codes(refused) == ["not_found", "conflict", "Repeated"]
    assert codes(do(slow, *edits_of(message, "one"))) == ["Change"]


def test_slow_mode_takes_the_edit_of_an_older_message_as_a_new_one(
    slow: Cast, message: Message
) -> None:
    latest = MessageFactory(room=slow.room, author=slow.member)
    MessageFactory(room=RoomFactory(), author=slow.member)
    assert codes(do(slow, *edits_of(message, "one"))) == ["slow_mode"]
    assert codes(do(slow, *edits_of(latest, "one"))) == ["Change"]
    long_ago = timezone.now() - timedelta(seconds=30)
    Message.objects.filter(pk=latest.pk).update(created_at=long_ago)
    Revision.objects.update(created_at=long_ago)
    assert codes(do(slow, *edits_of(message, "one"))) == ["Change"]


def test_slow_mode_counts_neither_deletions_nor_edits_elsewhere_or_of_others(
    slow: Cast, message: Message
) -> None:
    elsewhere = MessageFactory(room=RoomFactory(slow=True), author=slow.member)
    others = MessageFactory(room=slow.room, author=slow.outsider)
    second = MessageFactory(room=slow.room, author=slow.member)
    Message.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    for one, user in ((elsewhere, slow.member), (others, slow.outsider)):
        edit = Edit(id=one.pk, message="edited")
        assert codes(apply.apply([Write(one.room_id, user.pk, edit)])) == ["Change"]
    assert codes(do(slow, Delete(id=second.pk))) == ["Change"]
    assert codes(do(slow, *edits_of(message, "one"))) == ["Change"]


@pytest.mark.parametrize("who", ["owner", "moderator"])
def test_slow_mode_spares_moderators_edits(slow: Cast, who: str) -> None:
    message = MessageFactory(room=slow.room, author=getattr(slow, who))
    assert codes(do(slow, *edits_of(message, "one", "two"), who=who)) == ["Change", "Change"]


def test_who_is_overtaken_in_slow_mode_hears_of_that_first(slow: Cast, message: Message) -> None:
    """Waiting would not help: they would be overtaken all the same."""
    do(slow, *edits_of(message, "theirs"))
    assert codes(do(slow, Edit(id=message.pk, message="mine", based_on=None))) == ["conflict"]
