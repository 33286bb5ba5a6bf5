import random
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.postgres.search import SearchQuery
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Count, F, Max

from chat.demo import conversations, phrases
from chat.demo.conversations import Line, converse, sizes
from chat.models import Address, Membership, Message, Reaction, Revision, Room
from core.models import User

UNTIL = datetime(2024, 3, 14, 9, 30, tzinfo=UTC)
PEOPLE = ["Ada", "Ben", "Chi", "Dora", "Emil"]


def seed(**options: Any) -> str:
    out = StringIO()
    call_command("seed", **{"rooms": 4, "users": 9, "messages": 900, **options}, stdout=out)
    return out.getvalue()


def talk(number: int = 1, count: int = 2_000, until: datetime = UNTIL) -> list[list[Line]]:
    return list(converse(random.Random(number), phrases.TOPICS[0], PEOPLE, count, until))


# -- the conversations themselves ---------------------------------------------------------------


def test_a_seed_gives_its_conversation_again_and_another_seed_another() -> None:
    assert talk(1) == talk(1)
    assert talk(1) != talk(2)


@pytest.mark.parametrize("days", range(1, 8))
def test_a_seed_gives_its_conversation_again_on_another_day(days: int) -> None:
    later = timedelta(days=days)
    shifted = talk(until=UNTIL + later)
    for line in (line for day in shifted for line in day):
        line.at -= later
        line.edited_at = line.edited_at and line.edited_at - later
        line.deleted_at = line.deleted_at and line.deleted_at - later
        line.reactions = [(fan, emoji, at - later) for fan, emoji, at in line.reactions]
    assert shifted == talk()


@pytest.mark.parametrize("count", [0, 1, 2, 17, 2_000])
def test_there_are_as_many_lines_as_wanted(count: int) -> None:
    assert sum(len(day) for day in talk(count=count)) == count


def test_lines_follow_each_other_in_time_and_end_before_the_last_day() -> None:
    times = [line.at for day in talk() for line in day]
    assert times == sorted(times)
    assert times[-1].date() < UNTIL.date()


def test_what_happens_to_a_line_happens_after_it_and_before_the_next_day() -> None:
    days = talk()
    for day, following in pairwise(days):
        for line in day:
            assert all(line.at < at < following[0].at for at in line.changes)


def test_even_a_crowded_day_stays_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "DAYS_MIN", 2)
    monkeypatch.setattr(conversations, "DAYS_MAX", 2)
    days = talk(count=6_000)  # three times as much as fits at an easy pace
    assert len(days) == 2
    for day in days:
        times = [line.at for line in day]
        assert times == sorted(times)
        assert times[0].date() == times[-1].date()


def test_replies_point_at_an_earlier_line_of_the_day() -> None:
    replies = [(n, line.reply_to) for day in talk() for n, line in enumerate(day) if line.reply_to]
    assert len(replies) > 20
    assert all(target < n for n, target in replies)


def test_people_answer_each_other() -> None:
    lines = [line for day in talk() for line in day]
    assert {line.author for line in lines} == set(range(len(PEOPLE)))
    changes = sum(a.author != b.author for a, b in pairwise(lines))
    assert changes > len(lines) * 0.6


def test_some_lines_are_edited_deleted_and_liked_and_most_are_not() -> None:
    lines = [line for day in talk() for line in day]
    for what in ("edited_at", "deleted_at", "reactions"):
        touched = sum(bool(getattr(line, what)) for line in lines)
        assert 0 < touched < len(lines) / 10
    assert all(line.body != line.before_edit for line in lines)


def test_no_hole_in_a_phrase_is_left_open() -> None:
    for topic in phrases.TOPICS:
        days = converse(random.Random(3), topic, PEOPLE, 3_000, UNTIL)
        assert not [line.body for day in days for line in day if "{" in line.body]


def test_one_person_may_talk_alone() -> None:
    days = converse(random.Random(1), phrases.TOPICS[0], ["Ada"], 50, UNTIL)
    assert {line.author for day in days for line in day} == {0}


@pytest.mark.parametrize(("rooms", "messages"), [(1, 10), (7, 3), (12, 10_000), (3, 0)])
def test_messages_are_shared_out_to_the_last(rooms: int, messages: int) -> None:
    shares = sizes(rooms, messages)
    assert len(shares) == rooms
    assert sum(shares) == messages
    assert shares == sorted(shares, reverse=True)


# -- the command --------------------------------------------------------------------------------


@pytest.fixture
def seeded(db: None) -> str:
    return seed()


def test_it_makes_what_was_asked_for(seeded: str) -> None:
    assert "Added 900 messages in 4 rooms (seed 1)." in seeded
    assert (Room.objects.count(), User.objects.count(), Message.objects.count()) == (4, 9, 900)


def test_places_are_without_holes(seeded: str) -> None:
    for room in Room.objects.all():
        messages = room.messages.order_by("seq")
        assert list(messages.values_list("seq", flat=True)) == list(
            range(1, room.message_count + 1)
        )
        assert messages.aggregate(Max("pos"))["pos__max"] <= room.head
        positions = Message.objects.filter(room=room).values_list("pos", flat=True)
        assert len(set(positions)) == room.message_count


def test_head_counts_posts_and_changes(seeded: str) -> None:
    changes = Revision.objects.count() + Reaction.objects.count()
    assert changes > 50
    assert sum(room.head - room.message_count for room in Room.objects.all()) == changes


def test_a_changed_message_stands_where_it_changed_last(seeded: str) -> None:
    untouched = Message.objects.filter(edited_at=None, deleted_at=None, reactions=None)
    touched = Message.objects.exclude(pk__in=untouched)
    assert touched.exists()
    assert not touched.filter(pos__lte=F("seq")).exists()


def test_deleted_messages_are_blank_and_their_text_is_kept(seeded: str) -> None:
    deleted = Message.objects.exclude(deleted_at=None)
    assert deleted
    for message in deleted:
        assert message.body == ""
        assert message.deleted_by
        assert message.revisions.get(kind=Revision.Kind.DELETE).body


def test_whoever_speaks_is_a_member_and_every_room_has_one_owner(seeded: str) -> None:
    for room in Room.objects.all():
        members = set(room.memberships.values_list("user", flat=True))
        assert set(room.messages.values_list("author", flat=True)) <= members
        assert room.memberships.filter(role=Membership.Role.OWNER).count() == 1
        assert room.memberships.filter(read_seq__gt=room.message_count).count() == 0


def test_replies_stay_in_their_room_and_look_back(seeded: str) -> None:
    replies = Message.objects.exclude(reply_to=None).select_related("reply_to")
    assert replies
    for reply in replies:
        assert reply.reply_to
        assert reply.reply_to.room_id == reply.room_id
        assert reply.reply_to.seq < reply.seq


def test_what_it_wrote_is_found_by_search(seeded: str) -> None:
    assert Message.objects.filter(search_vector=SearchQuery("the", config="simple")).exists()


def test_a_second_run_adds_nothing_and_says_so(seeded: str) -> None:
    assert "Added 0 messages in 0 rooms" in (again := seed())
    assert "4 rooms were already there" in again
    assert (Room.objects.count(), User.objects.count(), Message.objects.count()) == (4, 9, 900)


def test_another_seed_adds_its_own(seeded: str) -> None:
    seed(seed=2)
    assert (Room.objects.count(), User.objects.count(), Message.objects.count()) == (8, 18, 1800)


def test_an_interrupted_run_goes_on(seeded: str) -> None:
    room = Message.objects.filter(room__slug="python-1").order_by("seq")
    said = list(room.values_list("body", flat=True))
    room.delete()
    Room.objects.get(slug="python-1").delete()
    Address.objects.get(slug="python-1").delete()  # as if it had never been
    assert f"Added {len(said)} messages in 1 rooms" in seed()
    assert list(room.values_list("body", flat=True)) == said


def test_nobody_can_sign_in_as_a_seeded_user(seeded: str) -> None:
    assert not [user for user in User.objects.all() if user.has_usable_password()]


def test_real_messages_go_on_where_the_seed_ended(seeded: str) -> None:
    room = Room.objects.annotate(n=Count("messages")).order_by("-n")[0]
    assert room.reserve(messages=1) == (room.message_count, room.head)
    Message.objects.create(
        room=room, seq=room.message_count, pos=room.head, author_id=room.memberships.first().user_id
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rooms": 0}, "--rooms must be 1 or more, not 0"),
        ({"users": -3}, "--users must be 1 or more, not -3"),
        ({"messages": -1}, "--messages must be 0 or more"),
        ({"seed": -1}, "--seed must be 0 or more"),
    ],
)
def test_bad_numbers_are_refused(options: dict[str, int], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        seed(**options)
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_word_is_no_number() -> None:
    with pytest.raises(CommandError, match="invalid int value"):
        call_command("seed", "--rooms", "many")


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{"messages": 0}, {"users": 1, "rooms": 30, "messages": 5}])
def test_small_worlds_are_worlds(options: dict[str, int]) -> None:
    seed(**options)
    assert Message.objects.count() == options["messages"]


@pytest.mark.django_db
def test_progress_is_shown_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    seed()
    assert "900/900" in capsys.readouterr().err
    assert seed(seed=2, quiet=True) == ""
    assert capsys.readouterr().err == ""


@pytest.mark.django_db
def test_what_the_readme_seeds_archives_none_of_the_bigger_rooms() -> None:
    """Which rooms are archived depends on the seed and on their order, not on how much is said."""
    seed(rooms=20, users=30, messages=2_000, seed=1)
    by_size = list(Room.objects.order_by("-message_count"))
    archived = [place for place, room in enumerate(by_size) if room.is_archived]
    assert archived, "some are archived, to be tried"
    assert min(archived) >= 10


@pytest.mark.django_db
@pytest.mark.parametrize("rooms", [1, 2])
def test_of_few_rooms_the_biggest_is_open(rooms: int) -> None:
    for number in range(30):
        seed(rooms=rooms, users=3, messages=4, seed=number)
    assert not Room.objects.filter(message_count__gte=4 / rooms, is_archived=True).exists()
