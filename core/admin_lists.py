"""Parts for admin lists that stay quick however many rows the table has."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db import DataError, connection, models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property


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


class Autocomplete(AutocompleteSelect):
    """Shows no choice where the value cannot be a row. Django's looks for its row, and fails."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        model = self.field.remote_field.model
        return super().optgroups(name, [each for each in value if _is_key(model, each)], attr)


class QuickList(admin.ModelAdmin):
    """A list without a full count, and filters that do not render thousands of choices."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    class Media:
        css = {"all": ["core/admin.css"]}

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
        _refuse_what_is_no_key(self.model, request)
        return super().response_action(request, *args, **kwargs)

    @property
    def media(self) -> forms.Media:
        """With the scripts of the autocomplete filters, which Django only adds to forms."""
        media = super().media
        for spec in self.list_filter:
            if isinstance(spec, type) and issubclass(spec, ChosenFilter):
                media += spec.widget(self.model, self.admin_site).media
        return media


def _refuse_what_is_no_key(model: type[models.Model], request: HttpRequest) -> None:
    """Raise BadRequest where what was chosen for an action cannot be a row; Django would fail."""
    if not all(_is_key(model, each) for each in request.POST.getlist(ACTION_CHECKBOX_NAME)):
        raise BadRequest("The selection is not valid.")


def _is_key(model: type[models.Model], value: str) -> bool:
    try:
        model._meta.pk.to_python(value)
    except ValidationError:
        return False
    return True


class ReadOnly(QuickList):
    """Rows that people may look at and nobody may change here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Narrowing(admin.SimpleListFilter):
    """A filter that knows whether it is in use, by a value that means something."""

    @property
    def narrows(self) -> bool:
        raise NotImplementedError


class InputFilter(Narrowing):
    """A filter with one form field instead of a list of choices.

    What cannot be read shows nothing and says so; showing everything would mislead.
    """

    template = "admin/input_filter.html"
    field_name = ""  # the model's field; the parameter's name where empty

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        name = str(self.parameter_name)
        form_class = type("FilterForm", (forms.Form,), {name: self.form_field(model, model_admin)})
        raw = self.used_parameters.get(name)
        self.form = form_class({name: raw} if raw else None, auto_id=f"filter-{name}-%s")
        self.empty_form = form_class(auto_id=f"filter-{name}-%s")

    def form_field(self, model: type[models.Model], model_admin: Any) -> forms.Field:
        raise NotImplementedError

    def narrow(self, queryset: models.QuerySet, chosen: Any) -> models.QuerySet:
        return queryset.filter(**{self.field_name or str(self.parameter_name): chosen})

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    @property
    def narrows(self) -> bool:
        return self.form.is_bound

    @cached_property
    def chosen(self) -> Any:
        """What the form field makes of the parameter; None where it is absent or unreadable."""
        return self.form.cleaned_data[self.parameter_name] if self.form.is_valid() else None

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        if not self.form.is_bound:
            return queryset
        if self.chosen is None:
            messages.warning(request, f"There is no {self.title} “{self.value()}”.")
            return queryset.none()
        return self.narrow(queryset, self.chosen)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """One: what the template needs to draw the form."""
        name = str(self.parameter_name)
        keep = changelist.get_filters_params()
        # an autocomplete cannot show what it cannot read
        form = self.empty_form if self.chosen is None else self.form
        yield {
            "widget": form[name],
            "active": self.form.is_bound,
            "without": changelist.get_query_string(remove=[name]),
            "hidden": [
                (other, value)
                for other, values in {**keep, "q": [changelist.query]}.items()
                for value in values
                if other != name and value
            ],
        }


class ChosenFilter(InputFilter):
    """Rows of one room, one person…: looked up by typing, never ten thousand options."""

    @classmethod
    def widget(cls, model: Any, admin_site: admin.AdminSite) -> Autocomplete:
        field = model._meta.get_field(cls.field_name or cls.parameter_name)
        return Autocomplete(field, admin_site, attrs={"data-placeholder": "all"})

    def form_field(self, model: Any, model_admin: Any) -> forms.Field:
        field = model._meta.get_field(self.field_name or self.parameter_name)
        return forms.ModelChoiceField(
            field.remote_field.model._default_manager.all(),
            required=False,
            widget=self.widget(model, model_admin.admin_site),
        )


class DayFilter(InputFilter):
    """Rows of one day in the site's time zone, as a range that an index serves."""

    title = "day"
    parameter_name = "day"
    field_name = "created_at"

    def form_field(self, model: Any, model_admin: Any) -> forms.Field:
        return forms.DateField(
            required=False,
            input_formats=["%Y-%m-%d"],
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
            # one day more must still be a date, in every time zone
            validators=[within_calendar],
        )

    def narrow(self, queryset: models.QuerySet, chosen: date) -> models.QuerySet:
        start = timezone.make_aware(datetime.combine(chosen, time()))
        end = timezone.make_aware(datetime.combine(chosen + timedelta(days=1), time()))
        return queryset.filter(**{f"{self.field_name}__gte": start, f"{self.field_name}__lt": end})


def within_calendar(day: date) -> None:
    """A validator. At the calendar's ends a time is none in another time zone, and one that
    PostgreSQL has and Python has not breaks every page that shows it."""
    if not 1900 < day.year < 9000:
        raise forms.ValidationError("Enter a valid day.")


@contextmanager
def plan_with(**settings: str) -> Iterator[None]:
    """Run queries in a transaction with these settings of the planner, and with them only there."""
    names = list(settings)
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if nested:
            read = ", ".join(["current_setting(%s)"] * len(names))
            cursor.execute(f"SELECT {read}", names)
            before = cursor.fetchone()
        _set(cursor, names, settings.values())
        yield
        if nested:  # the settings last until the outermost transaction ends
            _set(cursor, names, before)


def _set(cursor: Any, names: list[str], values: Any) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(names))
    pairs = [part for pair in zip(names, values, strict=True) for part in pair]
    cursor.execute(f"SELECT {calls}", pairs)


def estimated_rows(model: type[models.Model]) -> int:
    """The planner's idea of the table's size, from the last ANALYZE; -1 where there was none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
            [model._meta.db_table],
        )
        return int(cursor.fetchone()[0])
