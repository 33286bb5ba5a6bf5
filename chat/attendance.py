"""Who is online, for lists of rooms: looked up for all the rooms of a page at once."""

from collections.abc import Iterable
from dataclasses import replace

from chat.entry import RoomLine
from chat.models import Room
from chat.online import SITE
from presence import reader


def filled_in(*lists: list[RoomLine]) -> list[list[RoomLine]]:
    """The same lists, with how many are online in each room, and in a direct one the other.

    Two round trips to Redis, however many rooms there are.
    """
    lines = [line for each in lists for line in each]
    counts = reader.counts([str(line.pk) for line in lines]) if lines else {}
    others = [str(line.other.pk) for line in lines if line.other is not None]
    # where Redis has just not answered, a page does not wait for it again
    present = reader.present(SITE, others) if counts else set()
    return [list(_filled_in(each, counts, present)) for each in lists]


def _filled_in(
    lines: list[RoomLine], counts: dict[str, int], present: set[str]
) -> Iterable[RoomLine]:
    for line in lines:
        if line.kind == Room.Kind.DIRECT:
            is_here = line.other is not None and str(line.other.pk) in present
            yield replace(line, other_online=is_here)
        else:
            yield replace(line, online=counts.get(str(line.pk), 0))
