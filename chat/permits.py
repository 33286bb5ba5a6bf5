"""Who may do what in which room, for a batch of commands: read at once, under the rooms' locks."""

from collections.abc import Collection

from chat.errors import Refused
from chat.models import Membership, Room, Sanction
from core.models import User


class Permits:
    """Of these users in these rooms, all by pk."""

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
        if room.kind != Room.Kind.OPEN and (room.pk, user) not in self._roles:
            raise Refused("forbidden", "You are not a member of this room.")

    def check_may_write(self, room: Room, user: int) -> None:
        """Raises Refused."""
        self.check_may_read(room, user)
        if room.is_archived:
            raise Refused("archived", "This room is archived. You cannot post in it.")
        if self._is_sanctioned(room, user, Sanction.Kind.MUTE):
            raise Refused(
                "muted", "You are muted in this room. You can read it, but you cannot post."
            )

    def _is_sanctioned(self, room: Room, user: int, kind: str) -> bool:
        """Here, or on the whole site."""
        return bool({(user, room.pk, kind), (user, None, kind)} & self._sanctions)
