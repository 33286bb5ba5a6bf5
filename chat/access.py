"""Who may be in a room, and as what. The lookup is the check: forbidden and absent look alike."""

from typing import Any, NamedTuple

from django.core.exceptions import ValidationError

from chat.errors import Turned
from chat.models import Membership, Room, Sanction
from core.models import User


class Entry(NamedTuple):
    """What a user may do in a room."""

    room: Room
    role: str
    can: list[str]


def enter(user: User, slug: str) -> Entry:
    """Let `user` into the room; an open one comes into being. Raises Turned, to be closed with."""
    room = Room.objects.filter(slug=slug).first() or _opened(slug)
    sanctions = set(
        Sanction.objects.in_force().here(room).filter(user=user).values_list("kind", flat=True)
    )
    membership = Membership.objects.filter(room=room, user=user).first()
    if membership is None:
        if room.kind != Room.Kind.OPEN:
            raise Turned(4404, "There is no such room.")
        if Sanction.Kind.BAN not in sanctions:
            membership, _ = Membership.objects.get_or_create(room=room, user=user)
    if Sanction.Kind.BAN in sanctions or membership is None:
        raise Turned(4403, "You are banned from this room.")
    writes = not room.is_archived and Sanction.Kind.MUTE not in sanctions
    can = ["post", "react"] if writes else []
    return Entry(room, membership.role, can + (["moderate"] if membership.moderates else []))


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


def _opened(slug: str) -> Room:
    """An open room comes into being when somebody enters it."""
    try:
        Room(slug=slug).clean_fields()
    except ValidationError:
        raise Turned(4404, "There is no such room.") from None
    return Room.objects.get_or_create(slug=slug)[0]
