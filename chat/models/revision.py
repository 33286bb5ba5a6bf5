from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models

_WORDS = SearchVector("body", config="simple")


class RevisionQuerySet(models.QuerySet["Revision"]):
    def deletions_of(self, words: SearchQuery) -> "RevisionQuerySet":
        """What was deleted and had these words, newest first."""
        deletions = self.filter(kind=Revision.Kind.DELETE)
        return deletions.annotate(words=_WORDS).filter(words=words).order_by("-id")


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

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            # a deleted message has no words of its own any more
            GinIndex(_WORDS, name="revision_deleted_words", condition=models.Q(kind="delete")),
            # slow mode asks when somebody last edited something
            models.Index(
                fields=["by", "-created_at"],
                name="revision_edits",
                condition=models.Q(kind="edit"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of message {self.message_id}"
