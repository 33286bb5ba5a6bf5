from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q

from chat.models.membership import MARKED_MAX, Membership
from chat.models.sanction import Sanction
from chat.models.slugs import SLUG_MAX, is_unguessable, unguessable_slug, validate_slug


class RoomQuerySet(models.QuerySet["Room"]):
    def open(self) -> "RoomQuerySet":
        return self.filter(kind=Room.Kind.OPEN)

    def visible_to(self, user: Any) -> "RoomQuerySet":
        """Rooms that `user` may read: open ones, and those they are a member of, less where banned.

        Forbidden and absent look alike: look rooms up through this, and refuse with 404.
        """
        if not user.is_authenticated:
            return self.open()
        membership = Membership.objects.filter(room=OuterRef("pk"), user=user)
        ban = Sanction.objects.in_force().bans().here(OuterRef("pk")).filter(user=user)
        return self.filter(Q(kind=Room.Kind.OPEN) | Exists(membership)).exclude(Exists(ban))

    def listed(self) -> "RoomQuerySet":
        return self.not_vacant().filter(is_archived=False).exclude(kind=Room.Kind.DIRECT)

    def vacant(self) -> "RoomQuerySet":
        """Those that `is_vacant` says it of."""
        return self.filter(vacant_since__isnull=False, message_count=0)

    def not_vacant(self) -> "RoomQuerySet":
        return self.filter(Q(vacant_since=None) | Q(message_count__gt=0))

    def set_heads(self, rooms: Collection["Room"]) -> None:
        """Write the heads of rooms that are locked, and have gone on in memory: as `Room.reserve`,
        with one statement for all."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE chat_room room SET head = new.head"
                " FROM unnest(%s::bigint[], %s::bigint[]) AS new(id, head) WHERE room.id = new.id",
                [[room.pk for room in rooms], [room.head for room in rooms]],
            )

    def direct_between(self, one: Any, other: Any) -> "RoomQuerySet":
        low, high = sorted((one.pk, other.pk))
        return self.filter(direct_low_id=low, direct_high_id=high)


class Room(models.Model):
    """A place where messages are kept in order.

    `message_count` is the last `seq` given out, `head` the last `pos`. Both only grow, under
    this row's lock, in the transaction that writes the message.

    `slug` is its address now; those of before still lead to it (chat.models.Address). That of a
    private room is made by us, whatever is asked for: at a name that people guess they would find
    that it is taken. One from before that rule stays until it is changed.
    """

    class Kind(models.TextChoices):
        OPEN = "open", "open: anybody may enter"
        PRIVATE = "private", "private: members only"
        DIRECT = "direct", "direct: two people"

    slug = models.CharField(max_length=SLUG_MAX, unique=True, validators=[validate_slug])
    title = models.CharField(max_length=120, blank=True)
    topic = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.OPEN)
    head = models.PositiveBigIntegerField(default=0, editable=False)
    message_count = models.PositiveBigIntegerField(default=0, editable=False)
    is_archived = models.BooleanField(default=False)
    slow_mode_seconds = models.PositiveIntegerField(default=0)
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Set where somebody has merely entered a free address: when anybody was last there, while
    # nothing is said. See `is_vacant` and chat/rooms/vacancy.py.
    vacant_since = models.DateTimeField(null=True, blank=True, editable=False)
    # The two people of a direct room, lower pk first.
    direct_low = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    direct_high = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    objects = RoomQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint("direct_low", "direct_high", name="room_one_direct_a_pair"),
            models.CheckConstraint(
                name="room_direct_has_its_pair",
                condition=Q(kind="direct", direct_low__lt=F("direct_high"))
                | (~Q(kind="direct") & Q(direct_low=None, direct_high=None)),
            ),
            models.CheckConstraint(
                name="room_head_covers_messages", condition=Q(head__gte=F("message_count"))
            ),
        ]
        indexes = [
            # Never with message_count in the condition: each post would have to write an index.
            models.Index(
                fields=["vacant_since"],
                name="room_vacant",
                condition=Q(vacant_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """For the admin: two rooms may have the same title, and one may be archived."""
        address = [] if self.title in ("", self.slug) else [self.slug]
        marks = ", ".join([*address, *(["archived"] if self.is_archived else [])])
        return f"{self.name} ({marks})" if marks else self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Without the log's counters, which are `reserve`'s: a form that was open while people
        wrote would turn them back, and the next message would take a place that is taken.

        Who saves the whole of a vacant room wants it: it stays. A private room's address may become
        another one.
        """
        if not self._state.adding and kwargs.get("update_fields") is None:
            self.vacant_since = None
            kept = {"id", "head", "message_count", *self.get_deferred_fields()}
            names = [field.attname for field in self._meta.concrete_fields]
            kwargs["update_fields"] = [name for name in names if name not in kept]
        fields = kwargs.get("update_fields")
        if (fields is None or {"kind", "slug"} & set(fields)) and self._needs_another_address():
            self.slug = unguessable_slug(self.kind)
            kwargs["update_fields"] = None if fields is None else {*fields, "slug"}
        super().save(*args, **kwargs)

    def _needs_another_address(self) -> bool:
        """A private room that is at one which people guess, and has not been there before."""
        if self.kind != Room.Kind.PRIVATE or is_unguessable(self.slug):
            return False
        before = Room.objects.filter(pk=self.pk, kind=self.kind, slug=self.slug)
        return self._state.adding or not before.exists()

    @property
    def is_vacant(self) -> bool:
        """It came into being because somebody entered its address, and nothing was said yet: it is
        in nobody's list, makes nobody a member, and goes when it has been empty for a day."""
        return self.vacant_since is not None and self.message_count == 0

    def moderators(self) -> list[int]:
        """The ids of those who moderate it."""
        found = Membership.objects.filter(room=self.pk, role__in=Membership.MODERATES)
        return list(found.order_by("user").values_list("user", flat=True)[:MARKED_MAX])

    @property
    def name(self) -> str:
        return self.title or self.slug

    def reserve(self, *, messages: int = 0, changes: int = 0) -> tuple[int, int]:
        """Take places in the room's log, under its row lock; call it in the writing transaction.

        Returns the first `seq` and the first `pos` of a run without holes: `messages` of the
        former, `messages + changes` of the latter. If the transaction fails they are given back.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE chat_room SET message_count = message_count + %s, head = head + %s"
                " WHERE id = %s RETURNING message_count, head",
                [messages, messages + changes, self.pk],
            )
            self.message_count, self.head = cursor.fetchone()
        return self.message_count - messages + 1, self.head - messages - changes + 1
