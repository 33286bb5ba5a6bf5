"""Who may be in a room, and as what. The lookup is the check: forbidden and absent look alike."""

from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser

from chat import entry
from chat.addresses import Found, look_up
from chat.errors import Turned
from chat.models import Membership, Room, Sanction
from core.identity import Claim
from core.models import User


class Entry(NamedTuple):
    """Who came into which room, and what they may do there, as long as it is not archived."""

    user: User
    room: Room
    role: str
    can: list[str]
    is_member: bool = True  # not yet, where nothing was said so far


def enter(claim: Claim, slug: str, address: str) -> Entry | None:
    """Let whom the session is for into the room; an open one comes into being, not too many from
    one address. None where the session is for nobody. Raises Turned, to be closed with.

    One statement where the person has been here before.
    """
    found = look_up(slug, claim.user)
    if found.user is None or not claim.holds_for(found.user):
        return None
    return _let_in(found.user, found, slug, address)


def enter_as(user: User, slug: str, address: str) -> Entry:
    """The same for somebody who is known, without a session."""
    found = look_up(slug, user.pk)
    if found.user is None:
        raise Turned(4401, "Sign in first.")
    return _let_in(found.user, found, slug, address)


def look(slug: str) -> None:
    """See that there is a room here, or can be, for somebody new. Raises Turned."""
    try:
        entry.find(slug, AnonymousUser())
    except entry.NoSuchRoom:
        raise _no_such_room() from None


def _let_in(user: User, found: Found, slug: str, address: str) -> Entry:
    if entry.is_free(found, slug, user):
        _create(user, slug, address)
        found = look_up(slug, user.pk)
    room, role = found.room, found.role
    if room is None or not found.is_theirs:
        raise _no_such_room()
    if found.is_banned:
        raise Turned(4403, "You are banned from this room.")
    is_member = role is not None or _join(room, user)
    role = role or Membership.Role.MEMBER
    can = [] if Sanction.Kind.MUTE in found.sanctions else ["post", "react"]
    can += ["moderate"] if role in Membership.MODERATES else []
    return Entry(user, room, role, can, is_member)


def _no_such_room() -> Turned:
    return Turned(4404, "There is no such room.")


def _join(room: Room, user: User) -> bool:
    try:
        return entry.join(room, user)
    except entry.NoSuchRoom:
        raise _no_such_room() from None


def _create(user: User, slug: str, address: str) -> None:
    try:
        entry.create(slug, user, address)
    except entry.TooManyRooms as error:
        raise Turned(4429, str(error)) from None
    except entry.NoSuchRoom:  # a private one got the address in the same moment
        raise _no_such_room() from None


def as_fields(room: Room) -> dict[str, Any]:
    """The room as frames show it."""
    fields = {
        "id": room.pk,
        "slug": room.slug,
        "title": room.name,
        "topic": room.topic,
        "kind": room.kind,
    }
    return fields | ({"archived": True} if room.is_archived else {})
