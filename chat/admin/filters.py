from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.models import Message, Room
from core.admin_filters import ChosenFilter, Narrowing


class RoomFilter(ChosenFilter):
    title = "room"
    parameter_name = "room"


class AuthorFilter(ChosenFilter):
    title = "author"
    parameter_name = "author"


class UserFilter(ChosenFilter):
    title = "person"
    parameter_name = "user"


class DeletedFilter(Narrowing):
    """Deleted messages are few; a partial index holds them and nothing else."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("deleted", "deleted")]

    @property
    def narrows(self) -> bool:
        return bool(self.value() == "deleted")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.exclude(deleted_at=None) if self.narrows else queryset


class VacantFilter(admin.SimpleListFilter):
    """Rooms that are in nobody's list: their address was entered, and nothing was said."""

    title = "use"
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("vacant", "created by address, no messages"), ("used", "all others")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> QuerySet[Room]:
        if self.value() == "vacant":
            return queryset.vacant()  # type: ignore[attr-defined]
        return queryset.not_vacant() if self.value() == "used" else queryset  # type: ignore[attr-defined]


class UpToFilter(Narrowing):
    """A room from one message downwards (`?room=5&upto=120`): how a message is shown in its talk.

    Only links lead here; it has no place in the column of filters.
    """

    title = "up to message"
    parameter_name = "upto"

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.in_a_room = "room" in request.GET
        super().__init__(request, *args)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(self.value()), f"#{self.value()} and older")]

    @property
    def narrows(self) -> bool:
        value = self.value() or ""
        return self.in_a_room and value.isdecimal() and len(value) < 19  # a bigint

    def has_output(self) -> bool:
        return self.narrows

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.filter(seq__lte=int(str(self.value()))) if self.narrows else queryset
