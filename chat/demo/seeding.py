"""Puts whole conversations into the database at once, as if they had been held there.

Each line takes its `seq` and `pos` from `Room.reserve` like any other message; the rows go in by
COPY, because a hundred thousand INSERTs take minutes.
"""

import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from statistics import median_low
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils.text import slugify
from faker import Faker

from chat.demo.conversations import Line, converse
from chat.demo.phrases import TOPICS, Topic
from chat.models import Address, Imported, Membership, Message, Reaction, Revision, Room
from core.models import User

SOURCE = "seed"
CHUNK = 4_000  # lines; several days of a quiet room go in together
LOCALES = ["en_GB", "en_US", "es_ES", "de_DE", "pl_PL", "pt_BR", "ja_JP", "el_GR", "ru_RU"]

Progress = Callable[[int], Any]


def people(seed: int, wanted: int) -> list[User]:
    """`wanted` users of this seed, made where they are missing. Nobody can sign in as one."""
    fake = Faker(LOCALES)
    fake.seed_instance(seed)
    rng = random.Random(seed)
    password = make_password(None)
    users = []
    for number in range(1, wanted + 1):
        home = fake[rng.choice(LOCALES)]
        name = f"{home.first_name()} {home.last_name()}"
        username = f"{slugify(name) or 'user'}-{seed}-{number}"
        users.append(User(username=username, display_name=name, password=password))
    User.objects.bulk_create(users, ignore_conflicts=True, batch_size=1_000)
    by_name = User.objects.in_bulk([u.username for u in users], field_name="username")
    return [by_name[user.username] for user in users]


def topics(seed: int) -> Iterator[tuple[Topic, str]]:
    """Topics without end, each with the slug of its room."""
    for lap in count(1):
        for topic in TOPICS:
            yield topic, f"{topic.slug}-{seed}" + (f"-{lap}" if lap > 1 else "")


def fill_rooms(
    *, seed: int, users: Sequence[User], sizes: Iterable[int], until: datetime, progress: Progress
) -> tuple[int, int]:
    """Make a room for each of `sizes` and let people talk in it. Returns rooms and messages added.

    A room commits as a whole; one that is already there is left alone, so that a second run
    adds nothing and a run that was interrupted goes on. Some of the smaller half are archived, as
    rooms are that nobody needs any more.
    """
    sizes = list(sizes)
    small = median_low(sizes) if sizes else 0
    rooms = messages = 0
    for (topic, slug), size in zip(topics(seed), sizes, strict=False):
        rng = random.Random(f"{seed}/{slug}")
        with transaction.atomic():
            room = _new_room(
                slug,
                title=topic.title,
                topic=topic.about,
                kind=Room.Kind.PRIVATE if rng.random() < 0.15 else Room.Kind.OPEN,
                is_archived=rng.random() < 0.1 and size < small,
            )
            if room is not None:
                members = rng.sample(users, min(len(users), rng.randint(3, 8 + size // 200)))
                names = [member.name.split(" ")[0] for member in members]
                days = converse(rng, topic, names, size, until)
                _fill(rng, room, members, days, progress)
                rooms, messages = rooms + 1, messages + size
            else:
                progress(size)
    return rooms, messages


def _new_room(slug: str, **fields: Any) -> Room | None:
    """None where it has been made before. A private one, whose address nobody guesses, is known by
    the one that it would have."""
    known = Imported.objects.filter(source=SOURCE, key=slug)
    if known.exists() or Address.objects.filter(slug=slug).exists():
        return None
    room = Room.objects.create(slug=slug, **fields)
    if room.slug != slug:
        Imported.objects.create(source=SOURCE, key=slug, room=room)
    return room


def _fill(
    rng: random.Random,
    room: Room,
    members: Sequence[User],
    days: Iterator[list[Line]],
    progress: Progress,
) -> None:
    began: datetime | None = None
    chunk: list[Line] = []
    for day in days:
        began = began or day[0].at
        # a reply points into its day; the chunk is longer
        for line in day:
            if line.reply_to is not None:
                line.reply_to += len(chunk)
        chunk += day
        if len(chunk) >= CHUNK:
            store(room, members, chunk, rng)
            progress(len(chunk))
            chunk = []
    store(room, members, chunk, rng)
    progress(len(chunk))
    join(room, members, began or room.created_at, rng)


def join(room: Room, members: Sequence[User], began: datetime, rng: random.Random) -> None:
    """Make them members since `began`: an owner, a moderator; each has read up to some point."""
    roles = [Membership.Role.OWNER, Membership.Role.MODERATOR]
    Membership.objects.bulk_create(
        Membership(
            room=room,
            user=member,
            role=roles[n] if n < len(roles) else Membership.Role.MEMBER,
            read_seq=rng.randint(room.message_count * 3 // 4, room.message_count),
        )
        for n, member in enumerate(members)
    )
    # auto_now_add knows only the present
    room.memberships.update(joined_at=began)
    Room.objects.filter(pk=room.pk).update(created_at=began)


def store(room: Room, members: Sequence[User], lines: Sequence[Line], rng: random.Random) -> None:
    """Append `lines` to the room, in the caller's transaction.

    Posts and changes take their places in the log in the order of their times.
    """
    if not lines:
        return
    places = [(line.at, n) for n, line in enumerate(lines)]
    places += [(at, n) for n, line in enumerate(lines) for at in line.changes]
    places.sort()
    first_seq, first_pos = room.reserve(messages=len(lines), changes=len(places) - len(lines))
    pos = {n: first_pos + place for place, (_, n) in enumerate(places)}  # the last change counts
    ids = Message.objects.reserve_ids(len(lines))
    keys = [member.pk for member in members]

    def messages() -> Iterator[tuple[Any, ...]]:
        for n, line in enumerate(lines):
            yield (
                *(ids[n], room.pk, first_seq + n, pos[n], keys[line.author]),
                uuid.UUID(int=rng.getrandbits(128), version=4),
                line.kind,
                "" if line.deleted_at else line.body,
                None if line.reply_to is None else ids[line.reply_to],
                *(line.at, line.edited_at, line.deleted_at),
                None if line.deleted_by is None else keys[line.deleted_by],
            )

    def revisions() -> Iterator[tuple[Any, ...]]:
        for n, line in enumerate(lines):
            if line.edited_at and line.before_edit is not None:
                yield ids[n], "edit", line.before_edit, keys[line.author], "", line.edited_at
            if line.deleted_at and line.deleted_by is not None:
                by = keys[line.deleted_by]
                yield ids[n], "delete", line.body, by, line.reason, line.deleted_at

    _copy(
        Message,
        "id room_id seq pos author_id client_id kind body reply_to_id"
        " created_at edited_at deleted_at deleted_by_id",
        messages(),
    )
    _copy(Revision, "message_id kind body by_id reason created_at", revisions())
    _copy(
        Reaction,
        "message_id user_id emoji created_at",
        (
            (ids[n], keys[fan], emoji, at)
            for n, line in enumerate(lines)
            for fan, emoji, at in line.reactions
        ),
    )


def _copy(model: type[Any], columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    table, names = model._meta.db_table, ", ".join(columns.split())
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def refresh_statistics() -> None:
    """Tell the planner what is there now; autovacuum would only get to it in a minute."""
    with connection.cursor() as cursor:
        for model in (User, Room, Membership, Message, Revision, Reaction):
            cursor.execute(f"ANALYZE {model._meta.db_table}")
