"""Who is online in a room, and disconnecting them. The invisible hold no lease: not shown."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path

from chat.live import bus
from chat.models import AuditEntry, Room
from chat.online.pages import reader
from chat.protocol.errors import Close
from core.models import User
from presence.reader import Lease

SHOWN_MAX = 200  # people; a crowd's page must come in a moment
DETAIL = "A moderator disconnected you."
TRY_AGAIN = "The chat servers could not be notified. Try again in a moment."


class ShowsOnline(admin.ModelAdmin):
    """The part of a room's page that shows them, and the page that disconnects one."""

    def get_urls(self) -> list[Any]:
        disconnect = path(
            "<int:pk>/disconnect/<int:user>/<str:connection>/",
            self.admin_site.admin_view(self.disconnect),
            name="chat_room_disconnect",
        )
        return [disconnect, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if context.get("original") is not None:
            context["online"] = online_in(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def disconnect(self, request: HttpRequest, pk: int, user: int, connection: str) -> HttpResponse:
        """Ask, then (POST) close that connection of that person."""
        room = self.get_object(request, str(pk))
        if room is None:
            raise Http404
        if not self.has_change_permission(request, room):
            raise PermissionDenied
        assert isinstance(request.user, User)
        person = get_object_or_404(User, pk=user)
        is_there = reader.holds(str(room.pk), Lease(str(person.pk), connection))
        if is_there is None:  # that cannot be known now
            messages.error(request, TRY_AGAIN)
        elif not is_there:
            messages.warning(request, f"That connection of {person} is already closed.")
        elif request.method != "POST":
            page = self.admin_site.each_context(request) | {"opts": self.opts, "room": room}
            asked = {"title": f"Disconnect {person}?", "person": person}
            return TemplateResponse(request, "admin/chat/room/disconnect.html", page | asked)
        elif disconnect(room, person, connection, by=request.user):
            messages.success(request, f"Closing one connection of {person}.")
        else:
            messages.error(request, TRY_AGAIN)
        return redirect("admin:chat_room_change", pk)


@dataclass
class Present:
    """A person in a room, and the names of their connections."""

    user: User
    connections: list[str]


@dataclass(frozen=True)
class Shown:
    """Who is in a room: `shown` of `count` people, by name."""

    shown: list[Present]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.shown)


def online_in(room: Room) -> Shown | None:
    """None where that cannot be known now: then it must not look as if nobody were there."""
    leases = reader.leases(str(room.pk))
    if leases is None:
        return None
    connections: dict[int, list[str]] = {}
    for lease in leases:
        connections.setdefault(int(lease.user), []).append(lease.connection)
    name = Lower(Coalesce(NullIf("display_name", Value("")), "username"))
    # only those who are shown: a crowd may be the whole site
    first = User.objects.filter(pk__in=connections).order_by(name, "pk")[:SHOWN_MAX]
    return Shown([Present(user, connections[user.pk]) for user in first], len(connections))


def disconnect(room: Room, user: User, connection: str, *, by: User) -> bool:
    """Close that one connection; False, and nothing noted, where the servers can't be told.

    The person may come back: a ban is what keeps somebody out.
    """
    with transaction.atomic():
        AuditEntry.objects.create(
            actor=by,
            actor_name=by.username,
            action="disconnect",
            target=f"{user.username} in {room.slug}"[:200],
            detail={"user": user.pk, "room": room.pk, "connection": connection},
        )
        told = bus.tell_processes(
            bus.CloseConnections(user.pk, Close.DISCONNECTED, DETAIL, connection=connection)
        )
        if not told:
            transaction.set_rollback(True)
    return told
