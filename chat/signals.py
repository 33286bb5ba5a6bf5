"""What open sockets hear of changes made elsewhere (pages, the admin, a shell), after the commit: a
sign-out, a ban or a removal ends them; a room's new title, topic or archive is shown."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from chat.access import as_fields
from chat.broadcast import tell_processes
from chat.models import Membership, Room, Sanction


def connect() -> None:
    user_logged_out.connect(_signed_out, dispatch_uid="chat.signed_out")
    post_save.connect(_sanctioned, sender=Sanction, dispatch_uid="chat.sanctioned")
    post_delete.connect(_removed, sender=Membership, dispatch_uid="chat.removed")
    post_save.connect(_updated, sender=Room, dispatch_uid="chat.updated")


def _signed_out(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    if user is not None and request.session.session_key:
        _end(user.pk, 4401, "You have signed out.", session=request.session.session_key)


def _sanctioned(sender: Any, instance: Sanction, **kwargs: Any) -> None:
    if instance.kind == Sanction.Kind.BAN and instance.is_in_force:
        _end(instance.user_id, 4403, "You are banned.", room=instance.room_id)


def _removed(sender: Any, instance: Membership, **kwargs: Any) -> None:
    room = Room.objects.filter(pk=instance.room_id).exclude(kind=Room.Kind.OPEN)
    if room.exists():
        _end(instance.user_id, 4403, "You were removed from this room.", room=instance.room_id)


def _updated(sender: Any, instance: Room, created: bool, **kwargs: Any) -> None:
    if not created:
        message = {"type": "room.update", "fields": as_fields(instance)}
        transaction.on_commit(lambda: tell_processes(message))


def _end(user: int, code: int, detail: str, **which: Any) -> None:
    message = {"type": "connection.end", "user": user, "code": code, "detail": detail, **which}
    transaction.on_commit(lambda: tell_processes(message))
