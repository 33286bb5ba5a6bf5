"""What people do in rooms: post, edit, delete, react, read. One transaction for a batch of them.

Whoever calls gets one outcome a job, in order; nothing is announced before the commit. Every action
is safe to repeat: a post is found again by its `client_id`, the others see that nothing is left to
do. So a batch whose commit was cut off may simply be applied again.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from chat import history
from chat.commands import Command, Delete, Edit, Post, React, Read
from chat.errors import Refused
from chat.events import DELETED, EDITED, POSTED, REACTED, Change, change_of
from chat.models import Message, Reaction, Revision, Room, Sanction
from chat.posting import post_all
from chat.read_marks import ReadTo, mark_all
from core.models import User


class Job(NamedTuple):
    """A command with the room it is for and the user who gave it."""

    room: int
    user: int
    command: Command


class Repeated(NamedTuple):
    """Nothing changed, because it had been done already: the message as it is."""

    change: Change


Outcome = Change | Repeated | ReadTo | Refused


def apply(jobs: Sequence[Job]) -> list[Outcome]:
    """Carry out `jobs` in one transaction. Raises DatabaseError where the whole of it failed."""
    posts = [n for n, job in enumerate(jobs) if isinstance(job.command, Post)]
    if len(posts) == len(jobs):
        return _finished(jobs, post_all(jobs))
    if all(isinstance(job.command, Read) for job in jobs):
        return list(mark_all(jobs))
    outcomes: list[Any] = [None] * len(jobs)
    with transaction.atomic():
        # In pk order, so that no two batches wait for each other.
        rooms = Room.objects.order_by("pk").filter(pk__in={job.room for job in jobs})
        locked = {room.pk: room for room in rooms.select_for_update()}
        for n, outcome in zip(posts, post_all([jobs[n] for n in posts]), strict=True):
            outcomes[n] = outcome
        for n, job in enumerate(jobs):
            if isinstance(job.command, Read):
                (outcomes[n],) = mark_all([job])
            elif outcomes[n] is None:
                outcomes[n] = _act(job, locked.get(job.room))
    return _finished(jobs, outcomes)


def _act(job: Job, room: Room | None) -> Outcome | int:
    try:
        if room is None:
            raise Refused("not_found", "There is no such room.")
        return ACTIONS[type(job.command)](room, job.user, job.command)
    except Refused as refused:
        return refused


def _finished(jobs: Sequence[Job], outcomes: Sequence[Outcome | int]) -> list[Outcome]:
    """An action that finds its work done returns the message's id; look those up together."""
    repeated: dict[int, list[int]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, int):
            repeated.setdefault(job.room, []).append(outcome)
    if not repeated:
        return list(outcomes)  # type: ignore[arg-type]
    states = {room: history.states(room, ids) for room, ids in repeated.items()}
    kinds = {Post: POSTED, Edit: EDITED, Delete: DELETED, React: REACTED}
    return [
        Repeated(change_of(kinds[type(job.command)], states[job.room][outcome]))
        if isinstance(outcome, int)
        else outcome
        for job, outcome in zip(jobs, outcomes, strict=True)
    ]


def edit(room: Room, user: int, command: Edit) -> Change | int:
    message = _message(room, command.id)
    _may_write(room, user)
    if message.author_id != user or message.kind not in (Message.Kind.TEXT, Message.Kind.ACTION):
        raise Refused("forbidden", "Only the author may edit a message.")
    if message.is_deleted:
        raise Refused("not_found", "The message was deleted.")
    if message.body == command.message:
        return message.pk
    message.revise(Revision.Kind.EDIT, by=user)
    message.body, message.edited_at = command.message, timezone.now()
    return _changed(room, message, EDITED, "body", "edited_at")


def delete(room: Room, user: int, command: Delete) -> Change | int:
    message = _message(room, command.id)
    if message.author_id != user and not _moderates(room, user):
        raise Refused("forbidden", "Only the author or a moderator may delete a message.")
    _may_read(room, user)
    if message.is_deleted:
        return message.pk
    message.revise(Revision.Kind.DELETE, by=user, reason=command.reason)
    message.body, message.deleted_at, message.deleted_by_id = "", timezone.now(), user
    return _changed(room, message, DELETED, "body", "deleted_at", "deleted_by")


def react(room: Room, user: int, command: React) -> Change | int:
    message = _message(room, command.id)
    _may_write(room, user)
    if message.is_deleted:
        raise Refused("not_found", "The message was deleted.")
    emoji = command.emoji.strip()
    if not emoji or any(character.isspace() for character in emoji):
        raise Refused("bad_command", "An emoji has no spaces.")
    mine = Reaction.objects.filter(message=message, user_id=user, emoji=emoji)
    if command.on == mine.exists():
        return message.pk
    if command.on:
        if message.reactions.values("emoji").distinct().count() >= Reaction.DISTINCT_MAX:
            raise Refused("forbidden", "There are enough different reactions on this message.")
        Reaction.objects.create(message=message, user_id=user, emoji=emoji)
    else:
        mine.delete()
    return _changed(room, message, REACTED)


ACTIONS: dict[type[Command], Callable[[Room, int, Any], Any]] = {
    Edit: edit,
    Delete: delete,
    React: react,
}


def _message(room: Room, pk: int) -> Message:
    message = Message.objects.filter(room=room, pk=pk).first()
    if message is None:
        raise Refused("not_found", "There is no such message in this room.")
    return message


def _changed(room: Room, message: Message, kind: str, *fields: str) -> Change:
    """Give the message the log's next place and save it there."""
    _, message.pos = room.reserve(changes=1)
    message.save(update_fields=["pos", *fields])
    return change_of(kind, history.states(room.pk, [message.pk])[message.pk])


def _may_read(room: Room, user: int) -> None:
    if not User.objects.filter(pk=user, is_active=True).exists():
        raise Refused("forbidden", "This account is closed.")
    if Sanction.objects.in_force().here(room).bans().filter(user_id=user).exists():
        raise Refused("forbidden", "You are banned here.")
    if room.kind != Room.Kind.OPEN and not room.memberships.filter(user_id=user).exists():
        raise Refused("forbidden", "You are not a member of this room.")


def _may_write(room: Room, user: int) -> None:
    _may_read(room, user)
    if room.is_archived:
        raise Refused("archived", "This room is archived; it takes no more messages.")
    if Sanction.objects.in_force().here(room).filter(user_id=user).exists():
        raise Refused("muted", "You are muted here; you may read, but not write.")


def _moderates(room: Room, user: int) -> bool:
    membership = room.memberships.filter(user_id=user).first()
    return membership is not None and membership.moderates
