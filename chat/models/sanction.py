from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class SanctionQuerySet(models.QuerySet["Sanction"]):
    def in_force(self) -> "SanctionQuerySet":
        return self.filter(Q(until=None) | Q(until__gt=timezone.now()))

    def here(self, room: Any) -> "SanctionQuerySet":
        """Those of this room, and those of the whole site."""
        return self.filter(Q(room=room) | Q(room=None))

    def bans(self) -> "SanctionQuerySet":
        return self.filter(kind=Sanction.Kind.BAN)


class Sanction(models.Model):
    """A mute or a ban, in one room or (room empty) on the whole site, until a time or for good."""

    class Kind(models.TextChoices):
        MUTE = "mute"
        BAN = "ban"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sanctions"
    )
    room = models.ForeignKey(
        "chat.Room", on_delete=models.CASCADE, null=True, blank=True, related_name="sanctions"
    )
    kind = models.CharField(max_length=4, choices=Kind)
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SanctionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} of {self.user} in {self.room or 'every room'}"

    @property
    def is_in_force(self) -> bool:
        return self.until is None or self.until > timezone.now()
