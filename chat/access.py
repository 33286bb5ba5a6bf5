"""Who may be in a room, and as what. The lookup is the check: forbidden and absent look alike."""

from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, Subquery

from chat import entry
from chat.errors import Turned
from chat.models import Membership, Room, Sanction
from core.models import User


class Entry(NamedTuple):
    """What a user may do in a room."""

    room: Room
    role: str
    can: list[str]


def enter(user: User, slug: str, address: str) -> Entry:
    """Let `user` into the room; an open one comes into being, not too many from one address.

    Raises Turned, to be closed with. One query where the user has been here before.
    """
    found = _found(user, slug)
    if found is None:
        _create(user, slug, address)
        found = _found(user, slug)
    if found is None:
        raise Turned(4404, "There is no such room.")
    room, role, sanctions = found
    if role is None and room.kind != Room.Kind.OPEN:
        raise Turned(4404, "There is no such room.")
    if Sanction.Kind.BAN in sanctions:
        raise Turned(4403, "You are banned from this room.")
    if role is None:
        Membership.objects.join(room, user)
        role = Membership.Role.MEMBER
    writes = not room.is_archived and Sanction.Kind.MUTE not in sanctions
    can = ["post", "react"] if writes else []
    return Entry(room, role, can + (["moderate"] if role in Membership.MODERATES else []))


def _found(user: User, slug: str) -> tuple[Room, str | None, list[str]] | None:
    """The room, the user's role in it (None: no member), and the kinds of sanctions in force."""
    here = Q(room=OuterRef("pk")) | Q(room=None)
    sanctions = Sanction.objects.in_force().filter(here, user=user).values("kind")
    roles = Membership.objects.filter(room=OuterRef("pk"), user=user).values("role")
    room = (
        Room.objects.filter(slug=slug)
        .annotate(my_role=Subquery(roles[:1]), my_sanctions=ArraySubquery(sanctions))
        .first()
    )
    return None if room is None else (room, room.my_role, room.my_sanctions)


def _create(user: User, slug: str, address: str) -> None:
    try:
        entry.create(slug, user, address)
    except entry.NoSuchRoom:
        raise Turned(4404, "There is no such room.") from None
    except entry.TooManyRooms:
        raise Turned(4429, "Too many new rooms from your address just now.") from None


def as_fields(room: Room) -> dict[str, Any]:
    """The room as frames show it."""
    fields = {
        "id": room.pk,
        "slug": room.slug,
        "title": str(room),
        "topic": room.topic,
        "kind": room.kind,
    }
    return fields | ({"archived": True} if room.is_archived else {})
