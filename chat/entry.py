"""Coming into a room, and the list of rooms one can come into."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, When

from chat.models import Membership, Message, Room, Sanction
from chat.models.room import SLUG_MAX, stands_in_slug
from core import throttle
from core.models import User

LISTED_MAX = 200
FOUND_MAX = 20


class NoSuchRoom(Exception):
    """There is no such room, or it is not for this person. They must look alike."""


class TooManyRooms(Exception):
    """This address has made its share of new rooms for now."""


def slug_for(name: str) -> str:
    """A room's address for what somebody typed: "Öl & Gas" → "öl-gas"; empty if nothing is left.

    Signs go, so "C++" and "C#" are at "c": the page says which address a name opens. What is made
    of an address is that address. js/slug.js does the same.
    """
    plain = unicodedata.normalize("NFKC", name).lower()
    kept = "".join(each for each in plain if each.isspace() or stands_in_slug(each))
    kept = re.sub("i\u0307+", "i", kept)  # "İ" in lower case has two dots
    slug = re.sub(r"[-\s]+", "-", unicodedata.normalize("NFKC", kept)).strip("-_")
    slug = slug[:SLUG_MAX].strip("-_")
    return slug if any(each.isalnum() for each in slug) else ""


def enter(slug: str, user: User, address: str) -> tuple[Room, Membership]:
    """The room and the membership of `user` in it. An open room that is not there comes into being.

    Raises NoSuchRoom and TooManyRooms. `address` is what `core.throttle.network` made of it.
    """
    room = find(slug, user) or create(slug, user, address)
    if room.kind == Room.Kind.OPEN:
        return room, Membership.objects.get_or_create(room=room, user=user)[0]
    membership = Membership.objects.filter(room=room, user=user).first()
    if membership is None:  # removed a moment ago
        raise NoSuchRoom
    return room, membership


def find(slug: str, user: Any) -> Room | None:
    """The room, None where it may be created. Raises NoSuchRoom where it is not for `user`.

    One statement: a room that came into being between two would be there, and not be seen.
    """
    visible = Room.objects.visible_to(user).filter(pk=OuterRef("pk"))
    room = Room.objects.filter(slug=slug).annotate(is_visible=Exists(visible)).first()
    if len(slug) > SLUG_MAX or (room is not None and not room.is_visible):
        raise NoSuchRoom
    return room


def create(slug: str, user: User, address: str) -> Room:
    """Make an open room. Raises NoSuchRoom where the address can't be, and TooManyRooms."""
    check_address(slug)
    if Sanction.objects.in_force().bans().filter(user=user, room=None).exists():
        raise NoSuchRoom
    if not throttle.allowed("room", settings.CHAT_GUESTS_PER_ADDRESS, address):
        raise TooManyRooms
    Room.objects.get_or_create(slug=slug)
    # Somebody may have made a private room of that name in the meantime.
    room = find(slug, user)
    if room is None:
        raise NoSuchRoom
    return room


def check_address(slug: str) -> None:
    """Raises NoSuchRoom where no room can come into being at this address."""
    if slug != slug_for(slug):
        raise NoSuchRoom


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
    # chat.attendance knows these
    online: int = 0
    other_online: bool = False

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
    rooms = Room.objects.visible_to(user).exclude(kind=Room.Kind.DIRECT)
    rooms = rooms.filter(Q(slug=slug) | Q(named, is_archived=False))
    exact_first = Case(When(slug=slug, then=0), default=1)
    return [line_of(room, user) for room in rooms.order_by(exact_first, "slug")[:FOUND_MAX]]


def _own(user: Any) -> Any:
    return Room.objects.visible_to(user).filter(is_archived=False, memberships__user=user)


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
