"""Enter a room by its address; an open one is made where the address is free."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import Membership, Room
from chat.models.slugs import made_address
from chat.rooms import vacancy
from chat.rooms.addresses import NOBODY, Found, look_up
from chat.rooms.slugs import slug_for
from core.models import User
from core.web import throttle

SWEPT = 20  # rooms nobody wanted, that are looked for with each new one


class NoSuchRoom(Exception):
    """There is no such room, or it is not for this person. They must look alike."""


class TooManyRooms(Exception):
    """This person, or this address, has made its share of new rooms for now."""

    def __str__(self) -> str:
        return "Too many new rooms from you or your network. Try again later."


def enter(slug: str, user: User, address: str) -> tuple[Room, Membership]:
    """The room and the membership of `user` in it. An open room that is not there comes into being,
    and as long as it is vacant the membership is none yet: it is not in the database.

    Raises NoSuchRoom and TooManyRooms. `address` is what `core.web.throttle.network` made of it.
    """
    room = find(slug, user) or create(slug, user, address)
    if room is None:
        raise NoSuchRoom
    mine = Membership.objects.filter(room=room, user=user)
    membership = mine.first()
    if membership is None and room.kind == Room.Kind.OPEN:
        is_member = join(room, user)
        none_yet = Membership(room=room, user=user, read_seq=0)
        membership = mine.first() if is_member else none_yet
    if membership is None:  # removed a moment ago
        raise NoSuchRoom
    return room, membership


def join(room: Room, user: User) -> bool:
    """Make `user` a member of an open room; False where it is vacant, and that somebody is there
    is only noted. Raises NoSuchRoom where it has turned private since it was looked up."""
    if not room.is_vacant:
        if not Membership.objects.join(room, user):
            raise NoSuchRoom
        return True
    if room.vacant_since is not None and room.vacant_since < timezone.now() - vacancy.NOTED_EVERY:
        vacancy.note_people([room.pk])
    return False


def find(slug: str, user: Any) -> Room | None:
    """The room that the address leads to, None where `user` may make one there.

    Raises NoSuchRoom where neither is for `user`. One statement, whatever there is.
    """
    found = look_up(slug, user.pk or NOBODY)
    if found.is_theirs and not found.is_banned:
        return found.room
    if not is_free(found, slug, user):
        raise NoSuchRoom
    return None


def is_free(found: Found, slug: str, user: Any) -> bool:
    """Nothing is at the address nor was there, and `user` may make a room of it."""
    is_plain = slug == slug_for(slug) and not made_address(slug)
    return is_plain and not found.is_taken and may_open(user) and not found.is_banned


def may_open(user: Any) -> bool:
    """Whether new rooms are left to such as `user`; whoever is not signed in will be a guest."""
    if settings.CHAT_NEW_ROOMS == "anybody":
        return True
    if not user.is_authenticated or user.is_guest:
        return False
    return settings.CHAT_NEW_ROOMS == "members" or bool(user.has_power)


def create(slug: str, user: User, address: str) -> Room | None:
    """Make an open room at an address that `is_free`; vacant, until somebody says something.

    None where the address was taken in the same moment. Raises TooManyRooms.
    """
    limits = (
        ("new-room", settings.CHAT_NEW_ROOMS_PER_ADDRESS, address),
        ("new-room-by", settings.CHAT_NEW_ROOMS_PER_PERSON, str(user.pk)),
    )
    if not all(throttle.allowed(*limit) for limit in limits):
        raise TooManyRooms
    vacancy.remove(SWEPT)
    try:
        with transaction.atomic():
            return Room.objects.create(slug=slug, vacant_since=timezone.now())
    except IntegrityError:  # somebody was faster, or a room had the address until now
        return find(slug, user)
