from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.models import Message
from core.admin_lists import ChosenFilter


class RoomFilter(ChosenFilter):
    title = "room"
    parameter_name = "room"


class AuthorFilter(ChosenFilter):
    title = "author"
    parameter_name = "author"


class UserFilter(ChosenFilter):
    title = "person"
    parameter_name = "user"


class DeletedFilter(admin.SimpleListFilter):
    """Deleted messages are few; a partial index holds them and nothing else."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("deleted", "deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.exclude(deleted_at=None) if self.value() == "deleted" else queryset


class UpToFilter(admin.SimpleListFilter):
    """A room from one message downwards (`?room=5&upto=120`): how a message is shown in its talk.

    Only links lead here; it has no place in the column of filters.
    """

    title = "up to message"
    parameter_name = "upto"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", f"#{self.value()} and older")] if self.value() else []

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        value = self.value() or ""
        if not value.isdecimal() or len(value) > 18:
            return queryset
        return queryset.filter(seq__lte=int(value))
