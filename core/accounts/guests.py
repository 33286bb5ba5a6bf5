"""Guests: visitors without an account, who get an identity at once where CHAT_GUESTS is on."""

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest

from core.models import User
from core.web import throttle


class TooManyGuests(Exception):
    """This address has had its share of new guests for now."""

    def __str__(self) -> str:
        return "Too many guests from your network. Sign in, or try again later."


def welcome(request: HttpRequest) -> User:
    """Make the visitor of a page a guest, with a session. Raises TooManyGuests."""
    guest = _create(request.META.get("REMOTE_ADDR"))
    if guest is None:
        raise TooManyGuests
    login(request, guest, backend="django.contrib.auth.backends.ModelBackend")
    return guest


async def admit(address: str | None) -> User | None:
    """A guest for a connection that came without a session.

    None where guests are off, or where this address has had too many of them.
    """
    if not settings.CHAT_GUESTS:
        return None
    return await database_sync_to_async(_create, thread_sensitive=False)(address)


def _create(address: str | None) -> User | None:
    limit = settings.CHAT_GUESTS_PER_ADDRESS
    if not throttle.allowed("guest", limit, throttle.network(address)):
        return None
    return User.objects.create_guest()
