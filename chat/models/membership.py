from typing import Any

from django.conf import settings
from django.db import connection, models


def join_sql(rows: str) -> str:
    """Makes members, unless they are, of `rows`: SQL that gives `room_id`, `user_id` and
    `read_seq`. In one order, against deadlocks."""
    return f"""INSERT INTO chat_membership (room_id, user_id, role, read_seq, notify, joined_at)
        SELECT DISTINCT room_id, user_id, 'member', read_seq, 'all', now() FROM ({rows}) AS joining
         ORDER BY room_id, user_id
            ON CONFLICT (room_id, user_id) DO NOTHING"""  # noqa: S608 - of our own making


_JOIN = join_sql(
    "SELECT id AS room_id, %s::bigint AS user_id, message_count AS read_seq FROM chat_room"
    " WHERE id = %s AND kind = 'open'"
)


# More are not marked in the room. In rooms of people there are a few; the index keeps to them.
MARKED_MAX = 100


def moderators_sql(room: str) -> str:
    """The ids of those who moderate a room; `room` is SQL. As Room.moderators()."""
    roles = ", ".join(f"'{role}'" for role in Membership.MODERATES)
    return f"""SELECT m.user_id FROM chat_membership m WHERE m.room_id = {room}
        AND m.role IN ({roles}) ORDER BY m.user_id LIMIT {MARKED_MAX}"""  # noqa: S608 - our own


class MembershipManager(models.Manager["Membership"]):
    def join(self, room: Any, user: Any) -> bool:
        """Make `user` a member of an open room, unless they are one; False where it is not open.
        What was said before counts as read.

        One statement: a crowd may come at once, and the room turn private in the same moment.
        """
        with connection.cursor() as cursor:
            cursor.execute(_JOIN, [user.pk, room.pk])
            is_new = bool(cursor.rowcount)
        return is_new or self.filter(room=room, user=user).exists()


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
    # The room is read up to this `seq`: Message.objects.unread_by says what is new. The database
    # gives what was not given (DEFAULT NULL, and a trigger): the room's `message_count`. Who comes
    # has what was said before as read, whichever way they became a member.
    read_seq = models.PositiveBigIntegerField(db_default=models.Value(None))
    notify = models.CharField(max_length=8, choices=Notify, default=Notify.ALL)
    joined_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "user"], name="membership_once_a_room"),
        ]
        indexes = [
            # who enters a room is told who moderates it
            models.Index(
                fields=["room", "user"],
                name="membership_moderates",
                condition=models.Q(role__in=("moderator", "owner")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.room} ({self.role})"

    @property
    def moderates(self) -> bool:
        return self.role in self.MODERATES
