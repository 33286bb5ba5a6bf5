from django.conf import settings
from django.db import models


class Membership(models.Model):
    """A user belongs to a room. In an open room it comes with the first visit."""

    class Role(models.TextChoices):
        MEMBER = "member"
        MODERATOR = "moderator"
        OWNER = "owner"

    class Notify(models.TextChoices):
        ALL = "all", "every message"
        MENTIONS = "mentions", "mentions only"
        NOTHING = "nothing"

    MODERATES = (Role.MODERATOR, Role.OWNER)

    # The unique (room, user) index serves look-ups by room.
    room = models.ForeignKey(
        "chat.Room", on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=9, choices=Role, default=Role.MEMBER)
    read_pos = models.PositiveBigIntegerField(default=0)
    notify = models.CharField(max_length=8, choices=Notify, default=Notify.ALL)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "user"], name="membership_once_a_room"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.room} ({self.role})"

    @property
    def moderates(self) -> bool:
        return self.role in self.MODERATES
