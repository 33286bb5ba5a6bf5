"""What open sockets hear of changes made elsewhere (pages, the admin, a shell), after the commit: a
sign-out, a closed account, a new password, a ban or a removal closes them; a mute is kept to; a
person's new name and a room's new title, topic, kind, address or archive are shown. What is missed,
chat/live/revocations.py and chat/online/names.py find.

And a vacant room that is given a member is wanted."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from chat.live import bus
from chat.models import Membership, Room, Sanction
from chat.protocol.errors import Revocation
from chat.protocol.frames import RoomFields
from chat.rooms.permissions import is_theirs
from chat.rooms.vacancy import want
from core.accounts.sessions import session_ended
from core.models import User

SHOWN = {"username", "display_name", "is_staff", "is_superuser", "is_guest"}


def connect() -> None:
    user_logged_out.connect(_signed_out, dispatch_uid="chat.signed_out")
    session_ended.connect(_session_ended, dispatch_uid="chat.session_ended")
    post_save.connect(_account_changed, sender=User, dispatch_uid="chat.account_changed")
    post_save.connect(_sanctioned, sender=Sanction, dispatch_uid="chat.sanctioned")
    post_delete.connect(_removed, sender=Membership, dispatch_uid="chat.removed")
    post_save.connect(_wanted, sender=Membership, dispatch_uid="chat.wanted")
    for signal in (post_save, post_delete):
        signal.connect(_member_changed, sender=Membership, dispatch_uid="chat.member_changed")
    post_save.connect(_updated, sender=Room, dispatch_uid="chat.updated")


def _signed_out(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    # The session is still there. Where the database takes no writes it stays, and so do they.
    request.session.is_signing_out = True


def _session_ended(sender: Any, user: int, session: str, signed_out: bool, **kwargs: Any) -> None:
    _close(user, Revocation.SIGNED_OUT if signed_out else Revocation.COME_BACK, session=session)


def _account_changed(
    sender: Any, instance: User, created: bool, update_fields: Any = None, **kwargs: Any
) -> None:
    if created:
        return
    if not instance.is_active:
        _close(instance.pk, Revocation.DEACTIVATED)
    elif getattr(instance, "_password", None) is not None:  # Django's sign of a new one
        _close(instance.pk, Revocation.COME_BACK)
    if update_fields is None or SHOWN & set(update_fields):  # not each sign-in
        _tell(bus.UserRenamed.of(instance))


def _sanctioned(sender: Any, instance: Sanction, **kwargs: Any) -> None:
    if instance.kind == Sanction.Kind.BAN and instance.is_in_force:
        _close(instance.user_id, Revocation.BANNED, room=instance.room_id)
    if instance.kind == Sanction.Kind.MUTE:
        _tell(bus.UserChanged(instance.user_id))


def _removed(sender: Any, instance: Membership, **kwargs: Any) -> None:
    kind = Room.objects.filter(pk=instance.room_id).values_list("kind", flat=True).first()
    if kind is not None and not is_theirs(kind, is_member=False):
        _close(instance.user_id, Revocation.REMOVED, room=instance.room_id)


def _wanted(sender: Any, instance: Membership, created: bool, **kwargs: Any) -> None:
    if created:
        want(instance.room_id)


def _member_changed(
    sender: Any, instance: Membership, created: bool | None = None, **kwargs: Any
) -> None:
    """Who moderates a room is marked there. What a role was before, nobody knows here."""
    if instance.moderates or created is False:
        room = Room.objects.filter(pk=instance.room_id).first()
        if room is not None:
            _tell(bus.RoomUpdated(RoomFields.of(room)))


def _updated(sender: Any, instance: Room, created: bool, **kwargs: Any) -> None:
    if not created:
        _tell(bus.RoomUpdated(RoomFields.of(instance)))


def _close(user: int, revocation: Revocation, **which: Any) -> None:
    _tell(bus.CloseConnections.of(user, revocation, **which))


def _tell(message: bus.Message) -> None:
    transaction.on_commit(lambda: bus.tell_processes(message))
