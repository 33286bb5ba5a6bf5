"""Filters of admin lists that render no thousands of choices."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property


class Autocomplete(AutocompleteSelect):
    """Shows no choice where the value cannot be a row. Django's looks for its row, and fails.

    And it shows the placeholder that it was given, where Django's puts an empty one, and opens its
    list in the page's main part; at the end of the page it would be outside all of them.
    """

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        attrs = super().build_attrs(base_attrs, extra_attrs)
        attrs["data-placeholder"] = base_attrs.get("data-placeholder", "")
        return attrs | {"data-dropdown-parent": "#content"}

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        model = self.field.remote_field.model
        return super().optgroups(name, [each for each in value if is_key(model, each)], attr)


def is_key(model: type[models.Model], value: str) -> bool:
    try:
        model._meta.pk.to_python(value)
    except ValidationError:
        return False
    return True


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
        widget = self.widget(model, model_admin.admin_site)
        rows = widget.field.remote_field.model._default_manager.all()
        return forms.ModelChoiceField(rows, required=False, widget=widget)


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
