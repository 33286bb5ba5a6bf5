"""The small world that `make run` shows: four people, a handful of rooms, some days of talk."""

import random
from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chat.demo.conversations import Line
from chat.demo.seeding import store
from chat.models import Address, Imported, Membership, Room
from chat.models.slugs import unguessable_slug
from chat.moderation.moderators import moderators
from core.models import User

SOURCE = "demo"
PASSWORD = "demo"  # noqa: S105 — the command refuses to run where it could matter
PEOPLE = {
    "alice": "Alice Moreau",
    "bob": "Bob Okafor",
    "carol": "Carol Lindqvist",
    "mod": "Mo Rahimi",
}
ALICE, BOB, CAROL, MOD = range(4)
ROOMS = (
    ("lobby", "Lobby", "Everybody comes through here", Room.Kind.OPEN),
    ("garden", "Garden", "Allotments, balconies, window sills", Room.Kind.OPEN),
    ("python", "Python", "Questions are welcome, small ones too", Room.Kind.OPEN),
    ("カフェ", "カフェ", "日本語でどうぞ", Room.Kind.OPEN),
    ("organisers", "Organisers", "Members only: the summer party", Room.Kind.PRIVATE),
)

# hours before now, who, what. Further down: what became of some of them.
LOBBY = (
    (76.0, ALICE, "Good morning and welcome! Say hello when you come in 👋"),
    (75.9, BOB, "Morning! Nice to have a place of our own."),
    (75.8, CAROL, "Hej! First time here. Does it keep what we write?"),
    (75.7, ALICE, "It does. Scroll up next week and this is still here."),
    (75.6, CAROL, "Then I had better think before I type 😄"),
    (53.2, BOB, "Has anyone the minutes of Thursday? I left before the end."),
    (53.1, ALICE, "https://example.org/minutes/thursday. The part on the budget is short."),
    (53.0, BOB, "Thanks!"),
    (52.6, CAROL, "Short because nobody understood it."),
    (52.5, BOB, "Fair."),
    (51.8, BOB, "My phone number is 555 0117, call me about the tent."),
    (51.7, MOD, "I took a phone number out of here. This room is open to everybody."),
    (51.6, BOB, "Right, sorry. I will send it to Alice."),
    (30.4, CAROL, "The coffee machine in the hall is broken again."),
    (30.3, ALICE, "Did it say anything?"),
    (30.2, CAROL, "`E07`. And a sad face."),
    (30.1, BOB, "E07 is the water tank. Take it out, put it back, hold both buttons:"),
    (30.0, BOB, "```\n1. tank out\n2. wait 10 s\n3. tank in\n4. both buttons\n```"),
    (29.6, CAROL, "It purrs. You are my hero."),
    (29.5, ALICE, "Somebody print that and put it on the machine, please."),
    (29.3, CAROL, "prints it in 40 point"),
    (27.0, MOD, "Reminder: the hall closes at nine on Friday."),
    (26.9, ALICE, "Noted, thank you."),
    (8.2, BOB, "Who brings what on Saturday? I have the tent and two tables."),
    (8.1, ALICE, "Salad for twelve, and the long extension cord."),
    (8.0, CAROL, "Bread. Two rye, one with seeds. Maybe a cake if the oven agrees."),
    (7.9, BOB, "The oven will agree."),
    (7.7, MOD, "I bring games and a first aid box. Hope for the first, not the second."),
    (7.5, CAROL, "¿Alguien tiene platos? We had only nine last time."),
    (7.4, ALICE, "Sí, tengo veinte."),
    (2.6, BOB, "Weather says sun from eleven on ☀️"),
    (2.5, CAROL, "Then it will rain at twelve."),
    (2.4, ALICE, "The tent is big enough for all of us."),
    (1.1, CAROL, "See you there!"),
)
REPLIES = {3: 2, 6: 5, 8: 6, 16: 13, 24: 23, 25: 23, 29: 28}
EDITS = {21: "Reminder: the hall closes at eight on Friday.", 25: "Bread. Two rye, one with seeds."}
REMOVED, ACTION = 10, 20
REACTIONS = {
    0: ((BOB, "👋"), (CAROL, "👋")),
    18: ((BOB, "😄"), (ALICE, "🎉")),
    25: ((ALICE, "😍"), (BOB, "😍"), (MOD, "👍")),
    30: ((CAROL, "🙏"),),
}
PARTY = (
    (28.0, ALICE, "This room is for the three of us and Mo. Budget: 180."),
    (27.8, CAROL, "Spent so far: 42, receipts are with me."),
    (27.7, MOD, "The permit for the lawn came today ✅"),
)
BETWEEN_TWO = (
    (51.5, BOB, "My number is 555 0117. Properly, this time."),
    (51.4, ALICE, "Got it. I call you after six."),
    (51.3, BOB, "👍"),
)


@transaction.atomic
def make() -> bool:
    """Make what is missing; False where nothing was."""
    made, people = _people()
    for slug, title, topic, kind in ROOMS:
        room, is_new = _get_or_create(slug, title=title, topic=topic, kind=kind)
        if room.is_vacant:
            is_new, room.title, room.topic = True, title, topic
            room.save()
        # Somebody may have entered the lobby before the demo was made.
        is_silent = slug == "lobby" and not room.messages.exists()
        if is_new or is_silent:
            made = True
            _join(room, people)
        if is_silent:
            store(room, people, _lobby(), random.Random(slug))
        if is_new and slug == "organisers":
            store(room, people, _said(PARTY), random.Random(slug))
    return _direct(people) or made


def _get_or_create(slug: str, **fields: str) -> tuple[Room, bool]:
    """The room, and whether it is new. A private one has no address to be known by, and people may
    call it, and others, as they like."""
    if fields["kind"] != Room.Kind.PRIVATE:
        return Room.objects.get_or_create(slug=slug, defaults=fields)
    made = Q(imported__source=SOURCE, imported__key=slug)
    made |= Q(pk__in=Address.objects.filter(slug=slug).values("room"))  # before it was hidden
    room = Room.objects.filter(made, kind=Room.Kind.PRIVATE).first()
    if room is not None:
        return room, False
    room = Room.objects.create(**fields)
    Imported.objects.create(source=SOURCE, key=slug, room=room)
    return room, True


def _people() -> tuple[bool, list[User]]:
    """The four. Whoever has such an account already keeps it as it is, password included."""
    missing = set(PEOPLE) - set(
        User.objects.filter(username__in=PEOPLE).values_list("username", flat=True)
    )
    if missing:
        password = make_password(PASSWORD)  # once: it is slow by design
        for username in sorted(missing):
            user = User.objects.create(
                username=username,
                display_name=PEOPLE[username],
                password=password,
                is_staff=username == "mod",
            )
            if user.is_staff:
                user.groups.add(moderators())
    found = User.objects.in_bulk(list(PEOPLE), field_name="username")
    return bool(missing), [found[username] for username in PEOPLE]


def _join(room: Room, people: list[User]) -> None:
    roles = [Membership.Role.MEMBER] * 3 + [Membership.Role.MODERATOR]
    if room.kind == Room.Kind.PRIVATE:
        roles[ALICE] = Membership.Role.OWNER
    Membership.objects.bulk_create(
        (Membership(room=room, user=u, role=r) for u, r in zip(people, roles, strict=True)),
        ignore_conflicts=True,
    )


def _direct(people: list[User]) -> bool:
    """Alice's and Bob's own room."""
    low, high = sorted((people[ALICE], people[BOB]), key=lambda user: user.pk)
    if Room.objects.direct_between(low, high).exists():
        return False
    room = Room.objects.create(
        slug=unguessable_slug(Room.Kind.DIRECT),
        kind=Room.Kind.DIRECT,
        direct_low=low,
        direct_high=high,
    )
    Membership.objects.bulk_create(Membership(room=room, user=user) for user in (low, high))
    store(room, people, _said(BETWEEN_TWO), random.Random(room.kind))
    return True


def _said(script: tuple[tuple[float, int, str], ...]) -> list[Line]:
    now = timezone.now()
    return [Line(who, body, now - timedelta(hours=hours)) for hours, who, body in script]


def _lobby() -> list[Line]:
    lines = _said(LOBBY)
    minute = timedelta(minutes=1)
    lines[ACTION].kind = "action"
    for place, target in REPLIES.items():
        lines[place].reply_to = target
    for place, before in EDITS.items():
        lines[place].before_edit, lines[place].edited_at = before, lines[place].at + minute
    removed = lines[REMOVED]
    removed.deleted_at, removed.deleted_by = removed.at + 4 * minute, MOD
    removed.reason = "a private phone number"
    for place, given in REACTIONS.items():
        lines[place].reactions = [
            (who, emoji, lines[place].at + 2 * minute) for who, emoji in given
        ]
    return lines
