"""The rooms that a page lists: one's own, the open ones beside them, and those found by name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, When

from chat.models import Membership, Message, Room
from chat.rooms.slugs import slug_for
from core.accounts.looks import alike
from core.models import User

LISTED_MAX = 200


FOUND_MAX = 20


@dataclass(frozen=True)
class RoomLine:
    """A room as a list shows it."""

    pk: int
    slug: str
    name: str
    topic: str
    kind: str
    is_archived: bool
    unread: bool
    last_activity: datetime | None
    other: User | None  # of a direct room
    # that another in the list bears the same name: it is shown with its `distinction`
    has_namesake: bool = False
    # chat.online.pages knows these
    online: int = 0
    other_online: bool = False

    @property
    def distinction(self) -> str:
        """What tells it from a room of the same name: its address, or the other's account."""
        return self.slug if self.other is None else f"@{self.other.username.lower()}"

    @property
    def other_last_seen(self) -> datetime | None:
        """When the other of a direct room was last here; None while they are, or hide it."""
        if self.other is None or self.other_online or self.other.is_invisible:
            return None
        return self.other.last_seen_at


def rooms_of(user: Any) -> list[RoomLine]:
    """The rooms that `user` belongs to, the liveliest first, and last those that are archived."""
    if not user.is_authenticated:
        return []
    # By its `seq`, in order, and not as EXISTS: the plan can only be a walk up the (room, seq)
    # index. What is unread stands at the end of the table; to find that there is some, PostgreSQL
    # would read it from its beginning where it takes a room's messages for common.
    read_seq = OuterRef("memberships__read_seq")
    news = Message.objects.filter(room=OuterRef("pk")).unread_by(user, read_seq).order_by("seq")
    first = When(
        message_count__gt=F("memberships__read_seq"), then=Subquery(news.values("seq")[:1])
    )
    rooms = _by_activity(
        _own(user)
        .select_related("direct_low", "direct_high")
        .annotate(first_unread=Case(first, default=None))
    )
    return [line_of(room, user, unread=room.first_unread is not None) for room in rooms]


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

    Those that `user` may see: one that is not for them looks like an address that is free. An
    archived one that is not theirs is only found by its whole name.
    """
    slug = slug_for(name)
    if not slug:
        return []
    named = Q(title__icontains=name) | Q(slug__icontains=slug)
    rooms = Room.objects.visible_to(user).not_vacant().exclude(kind=Room.Kind.DIRECT)
    theirs = Membership.objects.filter(room=OuterRef("pk"), user=user.pk)
    rooms = rooms.filter(Q(slug=slug) | named & (Q(is_archived=False) | Exists(theirs)))
    exact_first = Case(When(slug=slug, then=0), default=1)
    rooms = rooms.order_by(exact_first, "is_archived", "slug")
    return [line_of(room, user) for room in rooms[:FOUND_MAX]]


def told_apart(*lists: Sequence[RoomLine]) -> list[list[RoomLine]]:
    """The lists of one page, where rooms that look alike by their names say so."""
    lines = {line.pk: line for lines in lists for line in lines}
    namesakes = alike(line.name for line in lines.values())
    return [[replace(line, has_namesake=line.name in namesakes) for line in each] for each in lists]


def _own(user: Any) -> Any:
    rooms = Room.objects.visible_to(user).not_vacant()
    return rooms.filter(memberships__user=user)


def _beside(user: Any) -> Any:
    rooms = Room.objects.visible_to(user).listed().open()
    return rooms.exclude(memberships__user=user) if user.is_authenticated else rooms


def _by_activity(rooms: Any) -> Iterable[Any]:
    last = Message.objects.filter(room=OuterRef("pk")).order_by("-seq").values("created_at")[:1]
    newest_first = F("last_activity").desc(nulls_last=True)
    rooms = rooms.annotate(last_activity=Subquery(last))
    return rooms.order_by("is_archived", newest_first, "slug")[:LISTED_MAX]


def line_of(room: Any, user: Any, *, unread: bool = False) -> RoomLine:
    return RoomLine(
        pk=room.pk,
        slug=room.slug,
        name=name_for(room, user),
        topic=room.topic,
        kind=room.kind,
        is_archived=room.is_archived,
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
