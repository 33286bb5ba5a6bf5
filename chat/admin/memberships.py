from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chat.admin import links
from chat.admin.audit import Audited
from chat.admin.filters import RoomFilter, UserFilter
from chat.models import Membership, Room
from core.admin_lists import QuickList


class MembershipForm(forms.ModelForm):
    class Meta:
        model = Membership
        fields = ("room", "user", "role")

    def clean_room(self) -> Room:
        """Nobody is put into a conversation of two."""
        room: Room = self.cleaned_data["room"]
        if room.kind == Room.Kind.DIRECT:
            raise forms.ValidationError(
                "A direct room has exactly two members, who cannot be changed."
            )
        return room


@admin.register(Membership)
class MembershipAdmin(Audited, QuickList):
    form = MembershipForm
    list_display = ("user", "place", "role", "joined_at")
    list_filter = (RoomFilter, UserFilter, "role")
    list_select_related = ("room", "user")
    ordering = ("-pk",)
    sortable_by = ()
    autocomplete_fields = ("room", "user")
    fields = ("room", "user", "role", "read_seq", "joined_at")
    readonly_fields = ("read_seq", "joined_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The database says the rest when it is made."""
        return self.form.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A membership keeps its room and its person; make another one for others."""
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else ("room", "user", *fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        direct = obj is not None and obj.room.kind == Room.Kind.DIRECT
        return not direct and super().has_delete_permission(request, obj)

    @admin.display(description="room")
    def place(self, membership: Membership) -> SafeString | str:
        return links.page(membership.room)
