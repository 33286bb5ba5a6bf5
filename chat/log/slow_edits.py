"""Slow mode for edits: else who has to wait with the next message would write it into the last."""

from collections.abc import Collection
from datetime import datetime, timedelta
from math import ceil

from django.db.models import Max
from django.utils import timezone

from chat.models import Message, Revision, Room
from chat.protocol.errors import Refused


class SlowEdits:
    """When these people (pks) last edited something in those of `rooms` that are in slow mode, as
    their revisions say. The rooms must be locked: then no other process edits there in between.

    One's latest message may be corrected once without a wait. To edit an older one is to wait as
    for a new message.
    """

    def __init__(self, rooms: Collection[Room], users: Collection[int]) -> None:
        self._last: dict[tuple[int, int], datetime] = {}
        slow = [room for room in rooms if room.slow_mode_seconds]
        if not slow:
            return
        longest = timedelta(seconds=max(room.slow_mode_seconds for room in slow))
        edits = Revision.objects.filter(
            kind=Revision.Kind.EDIT,
            by__in=users,
            message__room__in=slow,
            created_at__gt=timezone.now() - longest,
        )
        latest = edits.order_by().values_list("message__room", "by").annotate(Max("created_at"))
        self._last = {(room, user): at for room, user, at in latest}

    def take(self, room: Room, user: int, message: Message) -> None:
        """Count an edit of their `message` as made now. Raises Refused where it is too early."""
        if not room.slow_mode_seconds:
            return
        now = timezone.now()
        last = self._last.get((room.pk, user))
        said = Message.objects.filter(room=room, author=user).order_by("-id")
        pk, posted = said.values_list("pk", "created_at")[0]
        if pk != message.pk:
            last = posted if last is None else max(last, posted)
        if last is not None:
            passed = (now - last).total_seconds()
            # Another machine's clock may be ahead of ours.
            wait = min(ceil(room.slow_mode_seconds - passed), room.slow_mode_seconds)
            if wait > 0:
                detail = "This room is in slow mode. Wait before you edit again."
                raise Refused("slow_mode", detail, float(wait))
        self._last[room.pk, user] = now
