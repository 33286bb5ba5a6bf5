"""Who is online in a room, and disconnecting them. The invisible hold no lease: not shown."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce, Lower, NullIf

from chat.live import bus
from chat.models import AuditEntry, Room
from chat.online.pages import reader
from chat.protocol.errors import Close
from core.models import User
from presence.reader import Lease

SHOWN_MAX = 200  # people; a crowd's page must come in a moment
DETAIL = "A moderator disconnected you."


@dataclass
class Present:
    """A person in a room, and the names of their connections."""

    user: User
    connections: list[str]


@dataclass(frozen=True)
class Shown:
    """Who is in a room: `shown` of `count` people, by name."""

    shown: list[Present]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.shown)


def online_in(room: Room) -> Shown | None:
    """None where that cannot be known now: then it must not look as if nobody were there."""
    leases = reader.leases(str(room.pk))
    if leases is None:
        return None
    connections: dict[int, list[str]] = {}
    for lease in leases:
        connections.setdefault(int(lease.user), []).append(lease.connection)
    name = Lower(Coalesce(NullIf("display_name", Value("")), "username"))
    # only those who are shown: a crowd may be the whole site
    first = User.objects.filter(pk__in=connections).order_by(name, "pk")[:SHOWN_MAX]
    return Shown([Present(user, connections[user.pk]) for user in first], len(connections))


def is_there(room: Room, user: User, connection: str) -> bool | None:
    """None where that cannot be known now."""
    return reader.holds(str(room.pk), Lease(str(user.pk), connection))


def disconnect(room: Room, user: User, connection: str, *, by: User) -> bool:
    """Close that one connection; False, and nothing noted, where the servers can't be told.

    The person may come back: a ban is what keeps somebody out.
    """
    with transaction.atomic():
        AuditEntry.objects.create(
            actor=by,
            actor_name=by.username,
            action="disconnect",
            target=f"{user.username} in {room.slug}"[:200],
            detail={"user": user.pk, "room": room.pk, "connection": connection},
        )
        told = bus.tell_processes(
            bus.End(user.pk, Close.DISCONNECTED, DETAIL, connection=connection)
        )
        if not told:
            transaction.set_rollback(True)
    return told
