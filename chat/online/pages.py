"""Who is online, for pages: looked up for all the rooms of a page at once, or to be no more."""

from collections.abc import Iterable
from dataclasses import replace

from chat.live import bus
from chat.models import Membership, Room
from chat.online.scopes import SITE
from chat.rooms.lists import RoomLine
from core.models import User
from core.redis import installation
from presence import clients
from presence.reader import Reader

reader = Reader(clients.for_pages, installation.prefix)

VACANT_MAX = 200


def with_presence(*lists: list[RoomLine]) -> list[list[RoomLine]]:
    """The same lists, with how many are online in each room, and in a direct one the other.

    Two round trips to Redis, however many rooms there are.
    """
    lines = [line for each in lists for line in each]
    counts = reader.counts([str(line.pk) for line in lines]) if lines else {}
    others = [str(line.other.pk) for line in lines if line.other is not None]
    # where Redis has just not answered, a page does not wait for it again
    present = reader.present(SITE, others) if counts else set()
    return [list(_with_presence(each, counts, present)) for each in lists]


def hide(user: User) -> None:
    """Show nobody any longer that `user` is here. The processes give back the leases that they know
    of; those of one that died, or in their grace, would stay. Who is in a vacant room is no member;
    those with people in them are the newest."""
    rooms = Membership.objects.filter(user=user).values_list("room_id", flat=True)
    vacant = Room.objects.vacant().order_by("-vacant_since").values_list("pk", flat=True)
    found = reader.forget(str(user.pk), [SITE, *map(str, {*rooms, *vacant[:VACANT_MAX]})])
    news = [
        bus.Presence(int(scope), [bus.Moved(*change, user.name) for change in changes])  # type: ignore[arg-type]
        for scope, changes in found.items()
        if scope != SITE and changes
    ]
    if news:
        bus.tell_processes(*news)


def _with_presence(
    lines: list[RoomLine], counts: dict[str, int], present: set[str]
) -> Iterable[RoomLine]:
    for line in lines:
        if line.kind == Room.Kind.DIRECT:
            is_here = line.other is not None and str(line.other.pk) in present
            yield replace(line, other_online=is_here)
        else:
            yield replace(line, online=counts.get(str(line.pk), 0))
