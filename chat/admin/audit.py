from typing import Any

import msgspec
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import model_to_dict
from django.http import HttpRequest

from chat.models import AuditEntry
from core.models import User


class Audited(admin.ModelAdmin):
    """Whatever is added, changed or deleted here is in the audit log, as it was afterwards.

    In the transaction of the change, and beside Django's own log, which administrators may clear.
    """

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _note(request, "add", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _note(request, "change", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            _note(request, "delete", obj)
        return super().log_deletions(request, queryset)


def _note(request: HttpRequest, action: str, obj: Model, message: Any = None) -> None:
    assert isinstance(request.user, User)
    # Never a password, not even its hash: many may read the log, and nothing is removed from it.
    row = model_to_dict(obj, exclude=["password"])
    for name, value in row.items():
        if isinstance(value, list):  # of other rows
            row[name] = [str(one) for one in value]
    if message:  # Django's: the names of the fields that were changed
        row["what"] = message
    AuditEntry.objects.create(
        actor=request.user,
        actor_name=request.user.username,
        action=f"{action} {obj._meta.model_name}",
        target=str(obj)[:200],
        detail=msgspec.to_builtins(row),
    )
