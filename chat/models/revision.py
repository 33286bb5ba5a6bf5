from django.conf import settings
from django.db import models


class Revision(models.Model):
    """What an edit or a delete replaced, kept for moderators."""

    class Kind(models.TextChoices):
        EDIT = "edit"
        DELETE = "delete"

    message = models.ForeignKey("chat.Message", on_delete=models.CASCADE, related_name="revisions")
    kind = models.CharField(max_length=6, choices=Kind)
    body = models.TextField(blank=True, help_text="The text before the change.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of message {self.message_id}"
