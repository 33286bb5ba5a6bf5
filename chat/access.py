"""Who may be in a room, and as what. The lookup is the check: forbidden and absent look alike."""

from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser

from chat import entry
from chat.errors import Turned
from chat.models import Membership, Room, Sanction
from core.identity import Claim
from core.models import User
from core.statements import Statement, columns, fetch, instance, width


class Entry(NamedTuple):
    """Who came into which room, and what they may do there, as long as it is not archived."""

    user: User
    room: Room
    role: str
    can: list[str]


# A person, a room and what they are to each other; also where there is no such room.
_FIND = Statement(
    "chat_enter",
    ["text", "bigint"],
    f"""
SELECT {columns(User, "person")}, {columns(Room, "room")}, member.role,
       ARRAY(SELECT kind FROM chat_sanction s
              WHERE s.user_id = person.id AND (s.room_id = room.id OR s.room_id IS NULL)
                AND (s.until IS NULL OR s.until > now()))
  FROM core_user person
  LEFT JOIN chat_room room ON room.slug = $1
  LEFT JOIN chat_membership member ON member.room_id = room.id AND member.user_id = person.id
 WHERE person.id = $2 AND person.is_active
""",  # noqa: S608 - only names, of our own models
)


def enter(claim: Claim, slug: str, address: str) -> Entry | None:
    """Let whom the session is for into the room; an open one comes into being, not too many from
    one address. None where the session is for nobody. Raises Turned, to be closed with.

    One statement where the person has been here before.
    """
    found = _found(claim.user, slug)
    if found is None or not claim.holds_for(found.user):
        return None
    return _let_in(found, slug, address)


def enter_as(user: User, slug: str, address: str) -> Entry:
    """The same for somebody who is known, without a session."""
    found = _found(user.pk, slug)
    if found is None:
        raise Turned(4401, "Sign in first.")
    return _let_in(found, slug, address)


def look(slug: str) -> None:
    """See that there is a room here, or can be, for somebody new. Raises Turned."""
    try:
        if entry.find(slug, AnonymousUser()) is None:
            entry.check_address(slug)
    except entry.NoSuchRoom:
        raise Turned(4404, "There is no such room.") from None


class _Found(NamedTuple):
    user: User
    room: Room | None
    role: str | None  # None: no member
    sanctions: list[str]  # the kinds of those that are in force


def _let_in(found: _Found, slug: str, address: str) -> Entry:
    user = found.user
    if found.room is None:
        _create(user, slug, address)
        found = _found(user.pk, slug) or found
    room, role = found.room, found.role
    if room is None or (role is None and room.kind != Room.Kind.OPEN):
        raise Turned(4404, "There is no such room.")
    if Sanction.Kind.BAN in found.sanctions:
        raise Turned(4403, "You are banned from this room.")
    if role is None:
        Membership.objects.join(room, user)
        role = Membership.Role.MEMBER
    can = [] if Sanction.Kind.MUTE in found.sanctions else ["post", "react"]
    return Entry(user, room, role, can + (["moderate"] if role in Membership.MODERATES else []))


def _found(user: int, slug: str) -> _Found | None:
    """None where there is no such account, or it is closed."""
    rows = fetch((_FIND, [slug, user]))
    if not rows:
        return None
    (row,), own, rooms = rows, width(User), width(Room)
    role, sanctions = row[own + rooms :]
    room = instance(Room, row[own : own + rooms])
    return _Found(instance(User, row[:own]), room, role, sanctions)


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
        "title": room.name,
        "topic": room.topic,
        "kind": room.kind,
    }
    return fields | ({"archived": True} if room.is_archived else {})
