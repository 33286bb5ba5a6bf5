"""Who may be in a room, and as what. The lookup is the check: forbidden and absent look alike."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser

from chat.models import Membership, Room, Sanction
from chat.protocol.errors import Close, Rejected
from chat.rooms import entering
from chat.rooms.addresses import Found, look_up
from core.accounts.identity import Claim
from core.models import User


class Admission(NamedTuple):
    """Who came into which room, and what they may do there, as long as it is not archived."""

    user: User
    room: Room
    role: str
    can: list[str]
    is_member: bool = True  # not yet, where nothing was said when they came
    moderators: Sequence[int] = ()  # of the room: ids of people


def enter(claim: Claim, slug: str, address: str, *, is_back: bool = False) -> Admission | None:
    """Let whom the session is for into the room; an open one comes into being, not too many from
    one address. None where the session is for nobody. Raises Rejected, to be closed with.

    Who `is_back` after a lost connection has not looked at the room by that, so it makes them no
    member: what was said meanwhile would count as read. One statement where the person has been
    here before.
    """
    found = look_up(slug, claim.user)
    if found.user is None or not claim.holds_for(found.user):
        return None
    return _let_in(found.user, found, slug, address, is_back=is_back)


def enter_as(user: User, slug: str, address: str) -> Admission | None:
    """The same for somebody who is known, without a session."""
    found = look_up(slug, user.pk)
    return None if found.user is None else _let_in(found.user, found, slug, address)


def look(slug: str) -> None:
    """See that there is a room here, or can be, for somebody new. Raises Rejected."""
    with _rejecting():
        entering.find(slug, AnonymousUser())


@contextmanager
def _rejecting() -> Iterator[None]:
    """What a page says of rooms, as a socket says it."""
    try:
        yield
    except entering.NoSuchRoom:
        raise Rejected(Close.NO_ROOM, "There is no such room.") from None
    except entering.TooManyRooms as error:
        raise Rejected(Close.TOO_MANY, str(error)) from None


@_rejecting()
def _let_in(
    user: User, found: Found, slug: str, address: str, *, is_back: bool = False
) -> Admission:
    if entering.is_free(found, slug, user):
        entering.create(slug, user, address)
        found = look_up(slug, user.pk)
    room, role = found.room, found.role
    if room is None or not found.is_theirs:
        raise entering.NoSuchRoom
    if found.is_banned:
        raise Rejected(Close.FORBIDDEN, "You are banned from this room.")
    is_member = role is not None
    if not is_member and (room.is_vacant or not is_back):
        is_member = entering.join(room, user)
    role = role or Membership.Role.MEMBER
    can = [] if Sanction.Kind.MUTE in found.sanctions else ["post", "react"]
    can += ["moderate"] if role in Membership.MODERATES else []
    return Admission(user, room, role, can, is_member, found.moderators)
