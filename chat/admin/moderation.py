from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from chat.admin.audit import Audited
from chat.admin.filters import RoomFilter, UserFilter
from chat.models import AuditEntry, Sanction
from core.admin_filters import DayFilter, within_calendar
from core.admin_lists import QuickList, ReadOnly
from core.models import User


class SanctionForm(forms.ModelForm):
    request: HttpRequest  # set by the admin

    def clean_user(self) -> User:
        person: User = self.cleaned_data["user"]
        if not _may_sanction(self.request, person):
            raise forms.ValidationError("Only a superuser can mute or ban staff.")
        return person

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None:
            within_calendar(until)
        return until


def _may_sanction(request: HttpRequest, person: User) -> bool:
    """Or moderators would shut each other out, and lift what was put on themselves."""
    assert isinstance(request.user, User)
    return request.user.is_superuser or not person.has_power


@admin.register(Sanction)
class SanctionAdmin(Audited, QuickList):
    """Mutes and bans. A date (`until`) ends them, no deletion: what happened stays known."""

    form = SanctionForm
    list_display = ("user", "kind", "room", "in_force", "until", "reason", "by", "created_at")
    list_filter = (RoomFilter, UserFilter, "kind")
    list_select_related = ("user", "room", "by")
    ordering = ("-pk",)
    sortable_by = ()
    autocomplete_fields = ("user", "room")
    fields = ("user", "room", "kind", "until", "reason", "by", "created_at")
    readonly_fields = ("by", "created_at")
    actions = ("lift",)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        until = "Leave empty for no end. A time in the past lifts the sanction."
        form = super().get_form(request, obj, change, help_texts={"until": until}, **kwargs)
        form.request = request  # type: ignore[attr-defined]
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """It keeps whom it was put on, where, and as what; make another one for others."""
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else ("user", "room", "kind", *fields)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or _may_sanction(request, obj.user))

    @admin.display(description="in force", boolean=True)
    def in_force(self, sanction: Sanction) -> bool:
        return sanction.is_in_force

    @admin.action(description="Lift selected sanctions now", permissions=["change"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Sanction]) -> None:
        lifted = 0
        in_force = queryset.in_force().select_related("user")  # type: ignore[attr-defined]
        for sanction in [one for one in in_force if self.has_change_permission(request, one)]:
            sanction.until = timezone.now()
            sanction.save(update_fields=["until"])
            self.log_change(request, sanction, "Lifted.")
            lifted += 1
        self.message_user(request, f"{lifted} lifted.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: Sanction, form: forms.ModelForm, change: bool
    ) -> None:
        if not change:
            obj.by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    """Who did what. The database refuses changes too."""

    list_display = ("created_at", "actor_name", "action", "target")
    list_filter = (DayFilter,)
    search_fields = ("actor_name__startswith", "target__startswith")
    ordering = ("-pk",)
    sortable_by = ()
    fields = ("created_at", "actor_name", "action", "target", "detail")
