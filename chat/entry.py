"""Coming into a room, and the list of rooms one can come into."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F, OuterRef, Subquery
from django.utils.text import slugify

from chat.models import Membership, Message, Room, Sanction
from chat.models.room import SLUG_MAX
from core import throttle
from core.models import User

LISTED_MAX = 200


class NoSuchRoom(Exception):
    """There is no such room, or it is not for this person. They must look alike."""


class TooManyRooms(Exception):
    """This address has made its share of new rooms for now."""


def slug_for(name: str) -> str:
    """A room's address for what somebody typed: "Öl & Gas" → "öl-gas"; empty if nothing is left."""
    return slugify(name, allow_unicode=True)[:SLUG_MAX].strip("-_")


def enter(slug: str, user: User, address: str) -> tuple[Room, Membership]:
    """The room and the membership of `user` in it. An open room that is not there comes into being.

    Raises NoSuchRoom and TooManyRooms. `address` is what `core.throttle.network` made of it.
    """
    room = find(slug, user) or create(slug, user, address)
    if room.kind != Room.Kind.OPEN:
        return room, Membership.objects.get(room=room, user=user)
    membership, _ = Membership.objects.get_or_create(room=room, user=user)
    return room, membership


def find(slug: str, user: Any) -> Room | None:
    """The room, None where it may be created. Raises NoSuchRoom where it is not for `user`."""
    room = Room.objects.visible_to(user).filter(slug=slug).first()
    if room is None and (len(slug) > SLUG_MAX or Room.objects.filter(slug=slug).exists()):
        raise NoSuchRoom
    return room


def create(slug: str, user: User, address: str) -> Room:
    """Make an open room. Raises NoSuchRoom where the address can't be, and TooManyRooms."""
    bans = Sanction.objects.in_force().bans()
    if slug != slug_for(slug) or bans.filter(user=user, room=None).exists():
        raise NoSuchRoom
    if not throttle.allowed("room", settings.CHAT_GUESTS_PER_ADDRESS, address):
        raise TooManyRooms
    Room.objects.get_or_create(slug=slug)
    # Somebody may have made a private room of that name in the meantime.
    room = find(slug, user)
    if room is None:
        raise NoSuchRoom
    return room


@dataclass(frozen=True)
class RoomLine:
    """A room as a list shows it."""

    slug: str
    name: str
    topic: str
    kind: str
    unread: bool
    last_activity: datetime | None


def rooms_of(user: Any) -> list[RoomLine]:
    """The rooms that `user` belongs to, the liveliest first."""
    if not user.is_authenticated:
        return []
    memberships = Membership.objects.filter(user=user, room=OuterRef("pk"))
    rooms = _by_activity(
        Room.objects.visible_to(user)
        .filter(is_archived=False, memberships__user=user)
        .select_related("direct_low", "direct_high")
        .annotate(read_pos=Subquery(memberships.values("read_pos")[:1]))
    )
    return [_line(room, user, unread=room.head > room.read_pos) for room in rooms]


def rooms_beside(user: Any) -> list[RoomLine]:
    """The open rooms that `user` does not belong to."""
    rooms = Room.objects.visible_to(user).listed().open()
    if user.is_authenticated:
        rooms = rooms.exclude(memberships__user=user)
    return [_line(room, user, unread=False) for room in _by_activity(rooms)]


def _by_activity(rooms: Any) -> Iterable[Any]:
    last = Message.objects.filter(room=OuterRef("pk")).order_by("-seq").values("created_at")[:1]
    newest_first = F("last_activity").desc(nulls_last=True)
    return rooms.annotate(last_activity=Subquery(last)).order_by(newest_first, "slug")[:LISTED_MAX]


def _line(room: Any, user: Any, *, unread: bool) -> RoomLine:
    return RoomLine(
        room.slug, name_for(room, user), room.topic, room.kind, unread, room.last_activity
    )


def name_for(room: Room, user: Any) -> str:
    """What the room is called; a direct one bears the name of the other."""
    if room.direct_low is None or room.direct_high is None:
        return room.title or room.slug
    return (room.direct_high if room.direct_low_id == user.pk else room.direct_low).name
