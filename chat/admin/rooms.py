from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chat.admin import links, online
from chat.admin.audit import Audited
from chat.models import Message, Room
from chat.models.room import unguessable_slug
from core.admin_lists import QuickList
from core.models import User

TRY_AGAIN = "The servers can't be told now. Try again in a moment."


class RoomForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if slug := self.fields.get("slug"):  # who may only look has none
            slug.required = False
            slug.help_text = (
                "Who guesses the address of a private room can tell that it is taken. Left empty, "
                "a private room gets one that nobody guesses."
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "slug" in self.fields and not cleaned.get("slug") and "slug" not in self.errors:
            if cleaned.get("kind", self.instance.kind) != Room.Kind.PRIVATE:
                self.add_error("slug", "A room needs an address, unless it is private.")
            cleaned["slug"] = unguessable_slug(Room.Kind.PRIVATE)
        return cleaned


SHOWN = 40  # characters of a name; a guest may have chosen it


@admin.register(Room)
class RoomAdmin(Audited, QuickList):
    """Rooms. They are archived, not deleted: a deletion would take every message along."""

    form = RoomForm
    list_display = ("called", "address", "sort", "said", "members", "last", "is_archived")
    list_filter = ("kind", "is_archived")
    search_fields = ("slug", "title")
    ordering = ("slug",)
    sortable_by = ("address",)
    readonly_fields = (
        "head",
        "message_count",
        "created_at",
        "see_also",
        "direct_low",
        "direct_high",
    )
    fieldsets = (
        (None, {"fields": ("slug", "title", "topic", "kind", "see_also")}),
        ("Rules", {"fields": ("is_archived", "slow_mode_seconds")}),
        ("Log", {"fields": ("message_count", "head", "created_at")}),
    )
    pair = ("Between", {"fields": ("direct_low", "direct_high")})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        """With the time of the last message: one look into the (room, seq) index a row."""
        newest = Message.objects.filter(room=OuterRef("pk")).order_by("-seq")
        return (
            super()
            .get_queryset(request)
            .annotate(last_at=Subquery(newest.values("created_at")[:1]))
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return (*fieldsets, self.pair) if obj and obj.kind == Room.Kind.DIRECT else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A direct room belongs to its two people and stays what and where it is.

        A private one that became open would show everybody what was said in confidence.
        """
        fields = super().get_readonly_fields(request, obj)
        if obj and obj.kind == Room.Kind.DIRECT:
            return (*fields, "kind", "slug")
        if obj and obj.kind == Room.Kind.PRIVATE and not request.user.is_superuser:
            return (*fields, "kind")
        return fields

    def formfield_for_choice_field(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.TypedChoiceField | None:
        if db_field.name == "kind":
            kwargs["choices"] = [c for c in Room.Kind.choices if c[0] != Room.Kind.DIRECT]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # -- who is online ------------------------------------------------------------------------

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
            context["online"] = online.online_in(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def disconnect(self, request: HttpRequest, pk: int, user: int, connection: str) -> HttpResponse:
        """Ask, then (POST) close that connection of that person."""
        room = self.get_object(request, str(pk))
        if room is None:
            raise Http404
        if not self.has_change_permission(request, room):
            raise PermissionDenied
        person = get_object_or_404(User, pk=user)
        is_there = online.is_there(room, person, connection)
        if not is_there:
            if is_there is None:
                messages.error(request, TRY_AGAIN)
            else:
                messages.warning(request, f"That connection of {person} is gone already.")
            return redirect("admin:chat_room_change", pk)
        if request.method == "POST":
            assert isinstance(request.user, User)
            if online.disconnect(room, person, connection, by=request.user):
                messages.success(request, f"A connection of {person} was told to close.")
            else:
                messages.error(request, TRY_AGAIN)
            return redirect("admin:chat_room_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Disconnect {person}?",
            "room": room,
            "person": person,
        }
        return TemplateResponse(request, "admin/chat/room/disconnect.html", context)

    @admin.display(description="room")
    def called(self, room: Room) -> str:
        return Truncator(room.name).chars(SHOWN)

    @admin.display(description="slug", ordering="slug")
    def address(self, room: Room) -> str:
        return Truncator(room.slug).chars(SHOWN)

    @admin.display(description="kind")
    def sort(self, room: Room) -> str:
        return room.kind  # in one word; the filter beside it explains them

    @admin.display(description="messages", ordering="message_count")
    def said(self, room: Room) -> SafeString:
        return links.rows("message", f"{room.message_count:,}", room=room.pk)

    @admin.display(description="members")
    def members(self, room: Room) -> SafeString:
        return links.rows("membership", "members", room=room.pk)

    @admin.display(description="last message")
    def last(self, room: Room) -> Any:
        return getattr(room, "last_at", None)

    @admin.display(description="see also")
    def see_also(self, room: Room) -> SafeString | str:
        if room.pk is None:
            return "–"
        return format_html(
            "{} · {} · {} · {}",
            links.rows("message", f"{room.message_count:,} messages", room=room.pk),
            links.rows("message", "deleted ones", room=room.pk, state="deleted"),
            links.rows("membership", "members", room=room.pk),
            links.rows("sanction", "sanctions", room=room.pk),
        )
