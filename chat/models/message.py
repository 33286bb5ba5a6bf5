import uuid
from array import array
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

# Imports must fit; what people may send is settings.CHAT_MESSAGE_MAX.
BODY_MAX = 40_000


class MessageQuerySet(models.QuerySet["Message"]):
    def unread_by(self, user: Any, read_seq: Any) -> "MessageQuerySet":
        """What is new to `user`, who has read up to `read_seq` (a number, or an expression): it
        stands above, is another's, is not deleted, and is no notice.

        The page says the same in model/reading.js.
        """
        news = self.filter(seq__gt=read_seq, deleted_at=None)
        return news.exclude(author=user).exclude(kind=Message.Kind.NOTICE)


class MessageManager(models.Manager.from_queryset(MessageQuerySet)):  # type: ignore[misc]
    def get_queryset(self) -> MessageQuerySet:
        # The search vector is for the database's eyes only; reading it back costs.
        found: MessageQuerySet = super().get_queryset().defer("search_vector")
        return found

    def reserve_ids(self, count: int) -> "array[int]":
        """Ids from the table's own sequence, for rows that are written in bulk: replies name them
        before they exist."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('chat_message', 'id'))"
                " FROM generate_series(1, %s)",
                [count],
            )
            return array("q", (pk for (pk,) in cursor))


class Message(models.Model):
    """One message. `seq` is its place in the room; `pos` that of its latest change in the log."""

    class Kind(models.TextChoices):
        TEXT = "text"
        ACTION = "action", "action (/me)"
        NOTICE = "notice", "notice (joined, left, topic…)"
        BOT = "bot"

    # The unique indexes that begin with room serve look-ups by room.
    room = models.ForeignKey(
        "chat.Room", on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    seq = models.PositiveBigIntegerField()
    pos = models.PositiveBigIntegerField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="messages", db_index=False
    )
    client_id = models.UUIDField(default=uuid.uuid4)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.TEXT)
    body = models.TextField(blank=True)
    reply_to = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replies"
    )
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    search_vector = models.GeneratedField(
        expression=SearchVector("body", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = MessageManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="message_seq_once_a_room"),
            models.UniqueConstraint(fields=["room", "pos"], name="message_pos_once_a_room"),
            models.UniqueConstraint(
                fields=["room", "author", "client_id"], name="message_client_id_once"
            ),
            models.CheckConstraint(
                name="message_body_fits", condition=LessThanOrEqual(Length("body"), BODY_MAX)
            ),
            models.CheckConstraint(
                name="message_pos_not_before_seq", condition=Q(pos__gte=models.F("seq"), seq__gte=1)
            ),
        ]
        indexes = [
            GinIndex(fields=["search_vector"], name="message_search"),
            models.Index(fields=["author", "-id"], name="message_by_author"),
            models.Index(fields=["created_at"], name="message_by_time"),
            # moderators look for the deleted ones; they are few
            models.Index(
                fields=["deleted_at"], name="message_deleted", condition=Q(deleted_at__isnull=False)
            ),
            # the database asks for it, by its foreign key, before a person goes
            models.Index(
                fields=["deleted_by"],
                name="message_deleted_by",
                condition=Q(deleted_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """With the room's name where it is at hand: a list must not look up a room for each row."""
        room = self._state.fields_cache.get("room")
        return f"#{self.seq} in {room.name if room else self.room_id}"

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None
