"""Coming into a room, and the list of rooms one can come into."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, When
from django.utils import timezone

from chat import vacancy
from chat.addresses import NOBODY, Found, look_up
from chat.models import Membership, Message, Room
from chat.models.room import SLUG_MAX, is_unseen, made_address, stands_in_slug
from core import throttle
from core.models import User

LISTED_MAX = 200
FOUND_MAX = 20
SWEPT = 20  # rooms nobody wanted, that are looked for with each new one


class NoSuchRoom(Exception):
    """There is no such room, or it is not for this person. They must look alike."""


class TooManyRooms(Exception):
    """This person, or this address, has made its share of new rooms for now."""

    def __str__(self) -> str:
        return "Too many new rooms from you or your network. Try again later."


def slug_for(name: str) -> str:
    """A room's address for what somebody typed: "Öl & Gas" → "öl-gas"; empty if nothing is left.

    Signs go, so "C++" and "C#" are at "c": the page says which address a name opens. What is made
    of an address is that address, and so is any spelling of one that we made for a private or a
    direct room. js/slug.js does the same.
    """
    plain = unicodedata.normalize("NFKC", name).lower()
    kept = "".join(each for each in plain if each.isspace() or stands_in_slug(each))
    kept = re.sub("i\u0307+", "i", kept)  # "İ" in lower case has two dots
    slug = re.sub(r"[-\s]+", "-", unicodedata.normalize("NFKC", kept)).strip("-_")
    slug = slug[:SLUG_MAX].strip("-_")
    if made := made_address(name) or made_address(slug):  # the latter where the rest was cut off
        return made
    return slug if any(each.isalnum() for each in slug) else ""


def address_for(name: str) -> str:
    """Where somebody who types `name` is led: there as it stands, if it can be an address, since a
    room of before may have such a one. Where there is none the page leads on to `slug_for`."""
    slug = slug_for(name)
    stands = len(name) <= SLUG_MAX and all(map(stands_in_slug, name))
    return name if slug and stands and not made_address(slug) else slug


def enter(slug: str, user: User, address: str) -> tuple[Room, Membership]:
    """The room and the membership of `user` in it. An open room that is not there comes into being,
    and as long as it is vacant the membership is none yet: it is not in the database.

    Raises NoSuchRoom and TooManyRooms. `address` is what `core.throttle.network` made of it.
    """
    room = find(slug, user) or create(slug, user, address)
    if room is None:
        raise NoSuchRoom
    mine = Membership.objects.filter(room=room, user=user)
    membership = mine.first()
    if membership is None and room.kind == Room.Kind.OPEN:
        is_member = join(room, user)
        none_yet = Membership(room=room, user=user, joined_at=timezone.now())
        membership = mine.first() if is_member else none_yet
    if membership is None:  # removed a moment ago
        raise NoSuchRoom
    return room, membership


def join(room: Room, user: User) -> bool:
    """Make `user` a member of an open room; False where it is vacant, and that somebody is there
    is only noted. Raises NoSuchRoom where it has turned private since it was looked up."""
    if not room.is_vacant:
        if not Membership.objects.join(room, user):
            raise NoSuchRoom
        return True
    if room.vacant_since is not None and room.vacant_since < timezone.now() - vacancy.NOTED_EVERY:
        vacancy.note_people([room.pk])
    return False


def find(slug: str, user: Any) -> Room | None:
    """The room that the address leads to, None where `user` may make one there.

    Raises NoSuchRoom where neither is for `user`. One statement, whatever there is.
    """
    found = look_up(slug, user.pk or NOBODY)
    if found.is_theirs and not found.is_banned:
        return found.room
    if not is_free(found, slug, user):
        raise NoSuchRoom
    return None


def is_free(found: Found, slug: str, user: Any) -> bool:
    """Nothing is at the address nor was there, and `user` may make a room of it."""
    is_plain = slug == slug_for(slug) and not made_address(slug)
    return is_plain and not found.is_taken and may_open(user) and not found.is_banned


def may_open(user: Any) -> bool:
    """Whether new rooms are left to such as `user`; whoever is not signed in will be a guest."""
    if settings.CHAT_NEW_ROOMS == "anybody":
        return True
    if not user.is_authenticated or user.is_guest:
        return False
    return settings.CHAT_NEW_ROOMS == "members" or bool(user.has_power)


def create(slug: str, user: User, address: str) -> Room | None:
    """Make an open room at an address that `is_free`; vacant, until somebody says something.

    None where the address was taken in the same moment. Raises TooManyRooms.
    """
    limits = (
        ("new-room", settings.CHAT_NEW_ROOMS_PER_ADDRESS, address),
        ("new-room-by", settings.CHAT_NEW_ROOMS_PER_PERSON, str(user.pk)),
    )
    if not all(throttle.allowed(*limit) for limit in limits):
        raise TooManyRooms
    vacancy.remove(SWEPT)
    try:
        with transaction.atomic():
            return Room.objects.create(slug=slug, vacant_since=timezone.now())
    except IntegrityError:  # somebody was faster, or a room had the address until now
        return find(slug, user)


@dataclass(frozen=True)
class RoomLine:
    """A room as a list shows it."""

    pk: int
    slug: str
    name: str
    topic: str
    kind: str
    unread: bool
    last_activity: datetime | None
    other: User | None  # of a direct room
    # that another in the list bears the same name: it is shown with its `distinction`
    has_namesake: bool = False
    # chat.attendance knows these
    online: int = 0
    other_online: bool = False

    @property
    def distinction(self) -> str:
        """What tells it from a room of the same name: its address, or the other's account."""
        return self.slug if self.other is None else f"@{self.other.username}"

    @property
    def other_last_seen(self) -> datetime | None:
        """When the other of a direct room was last here; None while they are, or hide it."""
        if self.other is None or self.other_online or self.other.is_invisible:
            return None
        return self.other.last_seen_at


def rooms_of(user: Any) -> list[RoomLine]:
    """The rooms that `user` belongs to, the liveliest first."""
    if not user.is_authenticated:
        return []
    memberships = Membership.objects.filter(user=user, room=OuterRef("pk"))
    rooms = _by_activity(
        _own(user)
        .select_related("direct_low", "direct_high")
        .annotate(read_pos=Subquery(memberships.values("read_pos")[:1]))
    )
    return [line_of(room, user, unread=room.head > room.read_pos) for room in rooms]


def rooms_beside(user: Any) -> list[RoomLine]:
    """The open rooms that `user` does not belong to."""
    return [line_of(room, user) for room in _by_activity(_beside(user))]


def left_out(user: Any, yours: Sequence[RoomLine], others: Sequence[RoomLine]) -> tuple[int, int]:
    """How many more rooms there are of each kind than these lists show."""

    def beyond(shown: Sequence[RoomLine], rooms: Callable[[Any], Any]) -> int:
        return max(0, rooms(user).count() - len(shown)) if len(shown) >= LISTED_MAX else 0

    return beyond(yours, _own), beyond(others, _beside)


def found_by_name(name: str, user: Any) -> list[RoomLine]:
    """The room that `name` opens, if it is there, and others that have it in their name.

    Those that `user` may see: one that is not for them looks like an address that is free.
    """
    slug = slug_for(name)
    if not slug:
        return []
    named = Q(title__icontains=name) | Q(slug__icontains=slug)
    rooms = Room.objects.visible_to(user).not_vacant().exclude(kind=Room.Kind.DIRECT)
    rooms = rooms.filter(Q(slug=slug) | Q(named, is_archived=False))
    exact_first = Case(When(slug=slug, then=0), default=1)
    return [line_of(room, user) for room in rooms.order_by(exact_first, "slug")[:FOUND_MAX]]


def told_apart(*lists: Sequence[RoomLine]) -> list[list[RoomLine]]:
    """The lists of one page, where rooms that look alike by their names say so."""
    lines = {line.pk: line for lines in lists for line in lines}
    names = Counter(_as_seen(line.name) for line in lines.values())
    return [
        [replace(line, has_namesake=names[_as_seen(line.name)] > 1) for line in lines]
        for lines in lists
    ]


def _as_seen(name: str) -> str:
    """The same for names that people take for the same: capitals, forms of letters, spaces, and
    what shows nothing, make none another."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    shown = (each for each in plain if unicodedata.category(each) != "Cf" and not is_unseen(each))
    return " ".join("".join(shown).split())


def _own(user: Any) -> Any:
    rooms = Room.objects.visible_to(user).not_vacant()
    return rooms.filter(is_archived=False, memberships__user=user)


def _beside(user: Any) -> Any:
    rooms = Room.objects.visible_to(user).listed().open()
    return rooms.exclude(memberships__user=user) if user.is_authenticated else rooms


def _by_activity(rooms: Any) -> Iterable[Any]:
    last = Message.objects.filter(room=OuterRef("pk")).order_by("-seq").values("created_at")[:1]
    newest_first = F("last_activity").desc(nulls_last=True)
    return rooms.annotate(last_activity=Subquery(last)).order_by(newest_first, "slug")[:LISTED_MAX]


def line_of(room: Any, user: Any, *, unread: bool = False) -> RoomLine:
    return RoomLine(
        pk=room.pk,
        slug=room.slug,
        name=name_for(room, user),
        topic=room.topic,
        kind=room.kind,
        unread=unread,
        last_activity=getattr(room, "last_activity", None),
        other=other_of(room, user),
    )


def name_for(room: Room, user: Any) -> str:
    """What the room is called; a direct one bears the name of the other."""
    other = other_of(room, user)
    return room.name if other is None else other.name


def other_of(room: Room, user: Any) -> User | None:
    """Whom `user` talks with in a direct room; None in another room."""
    return room.direct_high if room.direct_low_id == user.pk else room.direct_low
