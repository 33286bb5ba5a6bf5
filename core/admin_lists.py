"""Parts for admin lists that stay quick however many rows the table has."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db import DataError, models
from django.http import HttpRequest
from django.utils.functional import cached_property

from core.admin_filters import Autocomplete, ChosenFilter, is_key


class CappedPaginator(Paginator):
    """Counts no further than it shows: a full count(*) reads every row that the filters leave."""

    object_list: models.QuerySet
    shown_max = 10_000  # whoever needs more narrows the list by a filter

    @cached_property
    def found(self) -> int:
        """Rows found; one over `shown_max` means "more"."""
        return int(self.object_list.order_by()[: self.shown_max + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self.found, self.shown_max)

    @property
    def count_label(self) -> str:
        """How many, in words that do not promise more than is known."""
        more = self.found > self.shown_max
        return f"more than {self.shown_max:,}" if more else f"{self.found:,}"


class CappedChangeList(ChangeList):
    """Leaves the number of results to the paginator's label; beside the search box it would lie."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class QuickList(admin.ModelAdmin):
    """A list without a full count, and filters that do not render thousands of choices."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CappedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except DataError as error:  # PostgreSQL cannot read a filter's value: `?kind__regex=(`
            raise IncorrectLookupParameters from error

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only our filters. Django lets any field be compared in any way: `?topic__contains=` would
        read a whole table, and `?created_at__year=-1` fail as the query is made."""
        field, _, comparison = lookup.partition("__")
        if field in self.list_filter:
            return comparison in ("", "exact", "isnull")
        return lookup in {getattr(spec, "parameter_name", None) for spec in self.list_filter}

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField | None:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", Autocomplete(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """What was chosen may be no row's key; Django would fail."""
        if not all(is_key(self.model, each) for each in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("The selection is not valid.")
        return super().response_action(request, *args, **kwargs)

    @property
    def media(self) -> forms.Media:
        """With the scripts of the autocomplete filters, which Django only adds to forms."""
        media = super().media
        for spec in self.list_filter:
            if isinstance(spec, type) and issubclass(spec, ChosenFilter):
                media += spec.widget(self.model, self.admin_site).media
        return media


class ReadOnly(QuickList):
    """Rows that people may look at and nobody may change here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
