from collections.abc import Collection

from django.conf import settings
from django.db import models

from core.emoji import is_emoji
from core.visible import can_be_seen

EMOJI_MAX = 32


class Reaction(models.Model):
    """One person's emoji on a message."""

    DISTINCT_MAX = 50  # different emoji on one message …
    EACH_MAX = 10  # … of which one person may give so many
    ALL_MAX = 1_000  # on one message: each change sends all of them to everybody

    # The unique index serves look-ups by message.
    message = models.ForeignKey(
        "chat.Message", on_delete=models.CASCADE, related_name="reactions", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reactions"
    )
    emoji = models.CharField(max_length=EMOJI_MAX)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["message", "user", "emoji"], name="reaction_once"),
        ]

    def __str__(self) -> str:
        return self.emoji

    @staticmethod
    def may_be_given(emoji: str, there: Collection[str]) -> bool:
        """An emoji; or what the message has already, as a custom one that was imported."""
        return is_emoji(emoji) or (emoji in there and can_be_seen(emoji))
