from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from chat.admin.audit import Audited
from chat.admin.filters import RoomFilter, UserFilter
from chat.models import AuditEntry, Sanction
from core.admin_lists import DayFilter, QuickList, ReadOnly


@admin.register(Sanction)
class SanctionAdmin(Audited, QuickList):
    """Mutes and bans. A date (`until`) ends them, no deletion: what happened stays known."""

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
        until = "Empty: for good. A moment that has passed, as now, lifts it."
        return super().get_form(request, obj, change, help_texts={"until": until}, **kwargs)

    @admin.display(description="in force", boolean=True)
    def in_force(self, sanction: Sanction) -> bool:
        return sanction.is_in_force

    @admin.action(description="Lift selected sanctions now", permissions=["change"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Sanction]) -> None:
        lifted = 0
        for sanction in queryset.in_force():  # type: ignore[attr-defined]
            sanction.until = timezone.now()
            sanction.save(update_fields=["until"])
            self.log_change(request, sanction, "Lifted.")
            lifted += 1
        self.message_user(request, f"{lifted} lifted.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"room", "user"} or lookup.startswith("kind")

    def save_model(
        self, request: HttpRequest, obj: Sanction, form: ModelForm, change: bool
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
