"""Edits, deletions and reactions: many of them in a few statements, however many there are.

What they depend on is read at once, under the rooms' locks. Each is then judged in memory, in
order, so that it sees what those before it did; and what came of all of them is written at once.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from msgspec import UNSET

from chat.log.posts import as_kind
from chat.log.slow_edits import SlowEdits
from chat.log.write import Write
from chat.models import Message, Reaction, Revision, Room
from chat.protocol import changes, commands
from chat.protocol.changes import Change, MessageState, Repeated
from chat.protocol.errors import Refused
from chat.protocol.persons import person_of
from chat.rooms.permissions import Permissions
from core.emoji import spelled

_PLACES = """
UPDATE chat_message message SET pos = new.pos
  FROM unnest(%s::bigint[], %s::bigint[]) AS new(id, pos) WHERE message.id = new.id
"""
# A statement of its own: a message that only got a reaction must not have its search vector
# computed again.
_TEXTS = """
UPDATE chat_message message
   SET body = new.body, edited_at = new.edited_at,
       deleted_at = new.deleted_at, deleted_by_id = new.deleted_by_id
  FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[])
       AS new(id, body, edited_at, deleted_at, deleted_by_id)
 WHERE message.id = new.id
"""


class Edits:
    """The messages that `writes` are about, and what decides over them. The rooms must be locked.

    `carry_out` each write, then `write`, in the same transaction.
    """

    def __init__(self, writes: Sequence[Write]) -> None:
        rooms = {write.room for write in writes}
        users = {write.user for write in writes}
        ids = {write.command.id for write in writes}  # type: ignore[attr-defined]
        self._rooms = Room.objects.in_bulk(rooms)
        self._messages = Message.objects.select_related("author").in_bulk(ids)
        self._reactions: defaultdict[int, list[Reaction]] = defaultdict(list)
        for reaction in Reaction.objects.filter(message__in=ids):
            self._reactions[reaction.message_id].append(reaction)
        self._permissions = Permissions(rooms, users)
        self._slow_edits = SlowEdits(self._rooms.values(), users)
        self._changed: dict[int, Message] = {}
        self._rewritten: dict[int, Message] = {}
        self._revisions: list[Revision] = []
        self._given: list[Reaction] = []
        self._taken: list[int] = []

    def carry_out(self, write: Write) -> Change | Repeated | Refused:
        """What comes of `write`, after those before it."""
        try:
            room = self._rooms.get(write.room)
            if room is None:
                raise Refused("not_found", "There is no such room.")
            message = self._messages.get(write.command.id)  # type: ignore[attr-defined]
            if message is None or message.room_id != room.pk:
                raise Refused("not_found", "There is no such message in this room.")
            kind, is_changed = self._judge(room, message, write)
            if not is_changed:
                return Repeated(changes.change_of(kind, self._state(message)))
        except Refused as refused:
            return refused
        room.head += 1
        message.pos = room.head
        self._changed[message.pk] = message
        return changes.change_of(kind, self._state(message))

    def write(self) -> None:
        """Save what the writes that were carried out have changed."""
        if not self._changed:
            return
        rooms = [self._rooms[pk] for pk in {message.room_id for message in self._changed.values()}]
        Room.objects.set_heads(rooms)
        with connection.cursor() as cursor:
            cursor.execute(_PLACES, _columns(self._changed.values(), "pk", "pos"))
            if self._rewritten:
                fields = ("pk", "body", "edited_at", "deleted_at", "deleted_by_id")
                cursor.execute(_TEXTS, _columns(self._rewritten.values(), *fields))
        Revision.objects.bulk_create(self._revisions)
        # In this order: one that was taken back and given again is the same to the constraint.
        if self._taken:
            Reaction.objects.filter(pk__in=self._taken).delete()
        Reaction.objects.bulk_create(self._given)

    @property
    def traces(self) -> list[QuerySet[Any]]:
        """Where a row is found in one of these, this was written, and committed."""
        made = ((Revision, self._revisions), (Reaction, self._given))
        return [
            model.objects.filter(
                pk__in=[row.pk for row in rows], created_at__in=[row.created_at for row in rows]
            )
            for model, rows in made
            if rows
        ]

    def _judge(self, room: Room, message: Message, write: Write) -> tuple[changes.Kind, bool]:
        """Change the message in memory; the kind of change, and whether there was anything to do.
        Raises Refused."""
        match write.command:
            case commands.Edit() as command:
                return changes.EDITED, self._edit(room, message, write.user, command)
            case commands.Delete() as command:
                return changes.DELETED, self._delete(room, message, write.user, command)
            case commands.Remove() as command:
                return changes.DELETED, self._remove(message, write.user, command.reason)
            case commands.React() as command:
                return changes.REACTED, self._react(room, message, write.user, command)
            case command:
                raise TypeError(f"{type(command).__name__} changes no message")

    # -- what each command does, likewise -----------------------------------------------------

    def _edit(self, room: Room, message: Message, user: int, command: commands.Edit) -> bool:
        self._permissions.check_may_write(room, user)
        is_said = message.kind in (Message.Kind.TEXT, Message.Kind.ACTION)
        if message.author_id != user or not is_said:
            raise Refused("forbidden", "Only the author can edit a message.")
        if message.is_deleted:
            raise Refused("not_found", "The message was deleted.")
        is_action = message.kind == Message.Kind.ACTION
        body = as_kind(command.message)[1] if is_action else command.message
        if message.body == body:  # also where the answer to the same edit was lost
            return False
        if command.based_on is not UNSET and command.based_on != message.edited_at:
            raise Refused("conflict", "This message was edited in the meantime.")
        if not self._permissions.moderates(room, user):
            self._slow_edits.take(room, user, message)
        self._rewrite(message, Revision.Kind.EDIT, user)
        message.body, message.edited_at = body, timezone.now()
        return True

    def _delete(self, room: Room, message: Message, user: int, command: commands.Delete) -> bool:
        if message.author_id != user and not self._permissions.moderates(room, user):
            raise Refused("forbidden", "Only the author or a moderator can delete a message.")
        self._permissions.check_may_read(room, user)
        return self._remove(message, user, command.reason)

    def _remove(self, message: Message, user: int, reason: str) -> bool:
        if message.is_deleted:
            return False
        self._rewrite(message, Revision.Kind.DELETE, user, reason)
        message.body, message.deleted_at, message.deleted_by_id = "", timezone.now(), user
        return True

    def _react(self, room: Room, message: Message, user: int, command: commands.React) -> bool:
        self._permissions.check_may_write(room, user)
        if message.is_deleted:
            raise Refused("not_found", "The message was deleted.")
        emoji = spelled(command.emoji.strip())
        there = self._reactions[message.pk]
        # From before spellings were one, somebody may have given two of them.
        mine = [one for one in there if one.user_id == user and spelled(one.emoji) == emoji]
        if command.on == bool(mine):
            return False
        if not mine:
            self._check_may_give(there, emoji, user)
            given = Reaction(message=message, user_id=user, emoji=emoji)
            there.append(given)
            self._given.append(given)
        for one in mine:
            there.remove(one)
            if one.pk is None:  # given a moment ago
                self._given.remove(one)
            else:
                self._taken.append(one.pk)
        return True

    @staticmethod
    def _check_may_give(there: Sequence[Reaction], emoji: str, user: int) -> None:
        kinds = {spelled(one.emoji) for one in there}
        if not Reaction.may_be_given(emoji, kinds):
            raise Refused("bad_command", "React with one emoji.")
        if emoji not in kinds and len(kinds) >= Reaction.DISTINCT_MAX:
            raise Refused("forbidden", "This message has the most different reactions it can have.")
        if sum(one.user_id == user for one in there) >= Reaction.EACH_MAX:
            most = Reaction.EACH_MAX
            raise Refused("forbidden", f"You can give a message at most {most} reactions.")
        if len(there) >= Reaction.ALL_MAX:
            raise Refused("forbidden", "This message has the most reactions it can have.")

    def _rewrite(self, message: Message, kind: str, user: int, reason: str = "") -> None:
        """Keep the text that is about to be replaced, for moderators."""
        before = Revision(message=message, kind=kind, body=message.body, by_id=user, reason=reason)
        self._revisions.append(before)
        self._rewritten[message.pk] = message

    def _state(self, message: Message) -> MessageState:
        reactions = self._reactions[message.pk]
        return MessageState(
            id=message.pk,
            seq=message.seq,
            pos=message.pos,
            client_id=message.client_id,
            user=person_of(message.author),
            message=message.body,
            created=message.created_at,
            kind=message.kind,
            reply_to=message.reply_to_id,
            edited=message.edited_at,
            deleted=message.deleted_at,
            reactions=changes.reactions_of((one.emoji, one.user_id) for one in reactions),
        )


def _columns(rows: Collection[Any], *fields: str) -> list[list[Any]]:
    return [[getattr(row, field) for row in rows] for field in fields]
