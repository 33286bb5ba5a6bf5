from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chat.admin import links
from chat.admin.audit import Audited
from chat.admin.filters import VacantFilter
from chat.admin.online import ShowsOnline
from chat.admin.room_form import RoomForm
from chat.live import bus
from chat.models import Address, Message, Room
from chat.models.slugs import is_unguessable, unguessable_slug
from chat.protocol.frames import RoomFields
from chat.rooms.addresses import is_about_an_address
from core.admin_lists import QuickList

SHOWN = 40  # characters of a name; a guest may have chosen it
TOLD_AT_ONCE = 100  # rooms in one message to the servers
NOT_TOLD = "The chat servers could not be notified. Open pages show the change after a reload."


@admin.register(Room)
class RoomAdmin(Audited, ShowsOnline, QuickList):
    """Rooms. They are archived, not deleted: a deletion would take every message along."""

    form = RoomForm
    list_display = ("called", "address", "sort", "said", "members", "last")
    list_filter = ("kind", "is_archived", VacantFilter)
    actions = ("archive", "unarchive", "hide_address")
    search_fields = ("slug", "title")
    ordering = ("slug",)
    sortable_by = ("address",)
    readonly_fields = (
        "head",
        "message_count",
        "created_at",
        "see_also",
        "led_here",
        "direct_low",
        "direct_high",
    )
    fieldsets = (
        (None, {"fields": ("slug", "led_here", "title", "topic", "kind", "see_also")}),
        ("Rules", {"fields": ("is_archived", "slow_mode_seconds")}),
        ("Log", {"fields": ("message_count", "head", "created_at")}),
    )
    pair = ("Between", {"fields": ("direct_low", "direct_high")})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        """With the time of the last message: one look into the (room, seq) index a row."""
        newest = Message.objects.filter(room=OuterRef("pk")).order_by("-seq")
        rooms = super().get_queryset(request)
        return rooms.annotate(last_at=Subquery(newest.values("created_at")[:1]))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return (*fieldsets, self.pair) if obj and obj.kind == Room.Kind.DIRECT else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A direct room belongs to its two people and stays what and where it is.

        A private one that became open would show everybody what was said in confidence. Only then
        may it have an address that is typed.
        """
        fields = super().get_readonly_fields(request, obj)
        if obj is None or obj.kind == Room.Kind.OPEN:
            return fields
        if obj.kind == Room.Kind.PRIVATE and request.user.is_superuser:
            return fields
        return (*fields, "kind", "slug")

    def formfield_for_choice_field(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.TypedChoiceField | None:
        if db_field.name == "kind":
            kwargs["choices"] = [c for c in Room.Kind.choices if c[0] != Room.Kind.DIRECT]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrityError as error:
            if not is_about_an_address(error):
                raise
            # The form found the address free, and it was until now.
            messages.error(
                request, "Nothing was changed: somebody else has just taken that address."
            )
            return redirect(request.get_full_path())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # -- many at once -------------------------------------------------------------------------

    @admin.action(description="Archive selected rooms", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        self._set_archived(request, queryset, True)

    @admin.action(description="Unarchive selected rooms", permissions=["change"])
    def unarchive(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        self._set_archived(request, queryset, False)

    def _set_archived(self, request: HttpRequest, queryset: QuerySet[Room], archived: bool) -> None:
        """One statement, however many rooms were chosen."""
        chosen = queryset.exclude(is_archived=archived).values("pk")
        with transaction.atomic():
            # In pk order, as those who post lock them.
            locked = (
                Room.objects.filter(pk__in=chosen).order_by("pk").select_for_update(no_key=True)
            )
            rooms = [room for room in locked if room.is_archived != archived]
            Room.objects.filter(pk__in=[room.pk for room in rooms]).update(
                is_archived=archived, vacant_since=None
            )
            for room in rooms:
                room.is_archived = archived
                self.log_change(request, room, "Archived." if archived else "Unarchived.")
        _tell(request, rooms)
        self.message_user(request, f"{len(rooms)} {'archived' if archived else 'unarchived'}.")

    @admin.action(
        description="Give selected private rooms a new, unguessable address",
        permissions=["change"],
    )
    def hide_address(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        """To those that have one that people guess, from before these were made for them."""
        with transaction.atomic():
            private = Room.objects.filter(pk__in=queryset.values("pk"), kind=Room.Kind.PRIVATE)
            locked = private.order_by("pk").select_for_update(no_key=True)
            rooms = [room for room in locked if not is_unguessable(room.slug)]
            for room in rooms:
                room.slug = unguessable_slug(room.kind)
                self.log_change(request, room, "Given an unguessable address.")
            Room.objects.bulk_update(rooms, ["slug"], batch_size=1_000)
        _tell(request, rooms)
        self.message_user(request, f"{len(rooms)} given another address.")

    # -- the columns --------------------------------------------------------------------------

    @admin.display(description="room")
    def called(self, room: Room) -> SafeString | str:
        name = Truncator(room.name).chars(SHOWN)
        return format_html("{} {}", name, links.mark("archived")) if room.is_archived else name

    @admin.display(description="slug", ordering="slug")
    def address(self, room: Room) -> str:
        return Truncator(room.slug).chars(SHOWN)

    @admin.display(description="kind")
    def sort(self, room: Room) -> str:
        return room.kind  # in one word; the filter beside it explains them

    @admin.display(description="messages", ordering="message_count")
    def said(self, room: Room) -> SafeString | str:
        if room.is_vacant:
            return "none, created by address"
        return links.rows("message", f"{room.message_count:,}", room=room.pk)

    @admin.display(description="members")
    def members(self, room: Room) -> SafeString:
        return links.rows("membership", "members", room=room.pk)

    @admin.display(description="last message")
    def last(self, room: Room) -> Any:
        return getattr(room, "last_at", None)

    @admin.display(description="former addresses")
    def led_here(self, room: Room) -> str:
        if room.pk is None:
            return "–"
        before = Address.objects.filter(room=room.pk).exclude(slug=room.slug).order_by("slug")
        return ", ".join(before.values_list("slug", flat=True)) or "–"

    @admin.display(description="see also")
    def see_also(self, room: Room) -> SafeString | str:
        if room.pk is None:
            return "–"
        return format_html(
            "{} · {} · {} · {}",
            links.rows("message", f"{room.message_count:,} messages", room=room.pk),
            links.rows("message", "deleted messages", room=room.pk, state="deleted"),
            links.rows("membership", "members", room=room.pk),
            links.rows("sanction", "sanctions", room=room.pk),
        )


def _tell(request: HttpRequest, rooms: Sequence[Room]) -> None:
    """Show what became of these rooms where they are open; in a few messages, however many."""
    news = [bus.RoomUpdated(RoomFields.of(room)) for room in rooms]
    starts = range(0, len(news), TOLD_AT_ONCE)
    if not all(bus.tell_processes(*news[start : start + TOLD_AT_ONCE]) for start in starts):
        messages.warning(request, NOT_TOLD)
