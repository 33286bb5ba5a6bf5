"""What somebody finds at an address: one statement, the same one on every path, whatever there is.

A room that is not for them must look like one that is not there, also by what is asked for it.
"""

from typing import NamedTuple

from django.db import IntegrityError

from chat.models import Room, Sanction
from chat.models.membership import moderators_sql
from chat.rooms.permissions import is_theirs, sanctions_sql
from core.database.statements import Statement, columns, fetch, instance, width
from core.models import User

NOBODY = 0  # no account has this id

_LOOK_UP = Statement(
    "chat_address",
    ["text", "bigint"],
    f"""
SELECT {columns(User, "person")}, {columns(Room, "room")}, address.slug IS NOT NULL, member.role,
       ARRAY({sanctions_sql("person.id", "room.id")}), ARRAY({moderators_sql("room.id")})
  FROM (SELECT) AS one
  LEFT JOIN core_user person ON person.id = $2 AND person.is_active
  LEFT JOIN chat_address address ON address.slug = $1
  LEFT JOIN chat_room room ON room.id = address.room_id
  LEFT JOIN chat_membership member ON member.room_id = room.id AND member.user_id = person.id
""",  # noqa: S608 - only names, of our own models
)


class Found(NamedTuple):
    user: User | None  # None: there is no such account, or it is closed
    room: Room | None  # its address may be another one by now
    is_taken: bool  # by a room that is there, or was
    role: str | None  # None: no member
    sanctions: list[str]  # the kinds of those that are in force
    moderators: list[int]  # of the room: ids of people

    @property
    def is_banned(self) -> bool:
        """From this room or, where there is none, from the whole site."""
        return Sanction.Kind.BAN in self.sanctions

    @property
    def is_theirs(self) -> bool:
        """There is a room, and no secret for them."""
        is_member = self.role is not None
        return self.room is not None and is_theirs(self.room.kind, is_member=is_member)


def look_up(slug: str, user: int) -> Found:
    """`user` is a person's pk, or NOBODY."""
    ((*row, is_taken, role, sanctions, moderators),) = fetch((_LOOK_UP, [slug, user]))
    own = width(User)
    person, room = instance(User, row[:own]), instance(Room, row[own : own + width(Room)])
    return Found(person, room, is_taken, role, sanctions, moderators)


def is_about_an_address(error: IntegrityError) -> bool:
    """Whether it says that the address is, or was, another room's."""
    diag = getattr(error.__cause__, "diag", None)
    constraint = (diag and diag.constraint_name) or ""
    return constraint == "chat_address_pkey" or constraint.startswith("chat_room_slug")
