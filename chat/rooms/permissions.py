"""What a person may do in a room: their account, their membership, sanctions, the room's state.

Everything that judges splices in the SQL of this module, or asks it: pages and sockets
(chat/rooms/addresses.py), what is written (chat/log/), open sockets (chat/live/revocations.py).
tests/chat/rooms/matrix.txt says what comes of it, for everybody on every way.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from chat.models import Membership, Room, Sanction
from chat.protocol.errors import Refused
from core.database.statements import Statement, as_json, fetch
from core.models import User

REFUSALS = {
    "archived": "This room is archived. You cannot post in it.",
    "muted": "You are muted in this room. You can read it, but you cannot post.",
}


def sanctions_sql(user: str, room: str) -> str:
    """The kinds of the sanctions that are in force against a user in a room, or on the whole site.
    `user` and `room` are SQL. As Sanction.objects.in_force().here(room)."""
    return f"""SELECT s.kind FROM chat_sanction s
       WHERE s.user_id = {user} AND (s.room_id = {room} OR s.room_id IS NULL)
         AND (s.until IS NULL OR s.until > now())"""  # noqa: S608 - of our own making


# Of rows named `room` and `member`, the latter looked up where the room is not open. As
# Room.objects.visible_to(user), but for bans.
IS_THEIRS_SQL = "(room.kind = 'open' OR member.id IS NOT NULL)"


def is_theirs(kind: str, *, is_member: bool) -> bool:
    """The same, of a room of this kind."""
    return kind == Room.Kind.OPEN or is_member


class Permissions:
    """Of these users in these rooms, all by pk: read at once, under the rooms' locks."""

    def __init__(self, rooms: Collection[int], users: Collection[int]) -> None:
        active = User.objects.filter(pk__in=users, is_active=True)
        self._active = set(active.values_list("pk", flat=True))
        memberships = Membership.objects.filter(room__in=rooms, user__in=users)
        rows = memberships.values_list("room_id", "user_id", "role")
        self._roles = {(room, user): role for room, user, role in rows}
        sanctions = Sanction.objects.in_force().filter(user__in=users)
        self._sanctions = set(sanctions.values_list("user_id", "room_id", "kind"))

    def moderates(self, room: Room, user: int) -> bool:
        return self._roles.get((room.pk, user)) in Membership.MODERATES

    def check_may_read(self, room: Room, user: int) -> None:
        """Raises Refused."""
        if user not in self._active:
            raise Refused("forbidden", "This account is closed.")
        if self._is_sanctioned(room, user, Sanction.Kind.BAN):
            raise Refused("forbidden", "You are banned from this room.")
        if not is_theirs(room.kind, is_member=(room.pk, user) in self._roles):
            raise Refused("forbidden", "You are not a member of this room.")

    def check_may_write(self, room: Room, user: int) -> None:
        """Raises Refused."""
        self.check_may_read(room, user)
        if room.is_archived:
            raise Refused("archived", REFUSALS["archived"])
        if self._is_sanctioned(room, user, Sanction.Kind.MUTE):
            raise Refused("muted", REFUSALS["muted"])

    def _is_sanctioned(self, room: Room, user: int, kind: str) -> bool:
        """Here, or on the whole site."""
        return bool({(user, room.pk, kind), (user, None, kind)} & self._sanctions)


class Known(NamedTuple):
    """What an open socket rests on, and what is known there of its person."""

    person: int
    room: int
    session: str | None  # its key
    password: str  # as core.accounts.identity.sign_of has it
    invisible: bool
    muted: bool
    member: bool


# A revocation is the name of a member of protocol.errors.Revocation.
_CHANGED = Statement(
    "chat_rights",
    ["json"],
    f"""
SELECT known.place, verdict.revocation, person.is_invisible, 'mute' = ANY(sanctions.kinds),
       member.id IS NOT NULL
  FROM json_to_recordset($1)
       AS known(place int, person bigint, room bigint, session text, password text,
                invisible boolean, muted boolean, member boolean)
  LEFT JOIN core_user person ON person.id = known.person
  LEFT JOIN chat_room room ON room.id = known.room
  LEFT JOIN chat_membership member
         ON member.room_id = known.room AND member.user_id = known.person
 CROSS JOIN LATERAL (SELECT ARRAY({sanctions_sql("known.person", "known.room")}) AS kinds) sanctions
 CROSS JOIN LATERAL (SELECT CASE
       WHEN person.is_active IS NOT TRUE THEN 'DEACTIVATED'
       WHEN known.session IS NOT NULL
            AND encode(sha256(convert_to(person.password, 'UTF8')), 'hex') <> known.password
            THEN 'COME_BACK'
       WHEN known.session IS NOT NULL AND NOT EXISTS (
            SELECT FROM django_session s
             WHERE s.session_key = known.session AND s.expire_date > now()) THEN 'SIGNED_OUT'
       WHEN 'ban' = ANY(sanctions.kinds) THEN 'BANNED'
       WHEN room.id IS NULL THEN 'COME_BACK'
       WHEN NOT {IS_THEIRS_SQL} THEN CASE WHEN known.member THEN 'REMOVED' ELSE 'COME_BACK' END
       END AS revocation) verdict
 WHERE verdict.revocation IS NOT NULL OR person.is_invisible <> known.invisible
    OR ('mute' = ANY(sanctions.kinds)) <> known.muted
    OR member.id IS NOT NULL AND NOT known.member
""",  # noqa: S608 - of our own making
)


def changed(known: Sequence[Known]) -> list[tuple[Any, ...]]:
    """A row for each entry of `known` that is out of date: its index, the name of a Revocation or
    None, is_invisible, is_muted, is_member. One statement for all."""
    rows = [{"place": place, **one._asdict()} for place, one in enumerate(known)]
    return fetch((_CHANGED, [as_json(rows)]))
