"""Values that no page offers: every list and form of the admin answers them, and none fails."""

from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import transaction
from django.db.models import DateField, Model
from django.test import Client
from django.urls import reverse

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import AuditEntry, Sanction

pytestmark = pytest.mark.django_db

ADMINS = sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label)
VALUES = ["", "x", "-1", "9" * 19, "9" * 5_000, "²", "'", "id:" + "9" * 30, "\ufffd"]
DATES = ["0001-01-01", "9999-12-31", "2024-02-30", "x"]
YEARS = ["-1", "0", "10000", "9" * 26, "1e3", "x"]
PARTS_OF_TIMES = ("year", "iso_year", "year__gte", "date__year", "month", "hour", "date")
# Of every list; those that Django itself reads are among them.
OF_ALL = ("q", "p", "o", "e", "all", "_popup", "_facets", "id", "pk", "nope", "id__in", "_to_field")
REFUSED = {200, 302, 400}
# Each combination is a page, and all are a minute of the processor: `make test` takes one in seven,
# among which is each value, and `make long` all.
some_or_all = pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    MessageFactory(edited=True, deleted=True)
    member = MembershipFactory()
    Sanction.objects.create(user=member.user, room=member.room, kind="mute")
    AuditEntry.objects.create(actor_name="x", action="y")
    return client


def parameters(model: type[Model], model_admin: admin.ModelAdmin) -> Iterator[str]:
    """Everything that a list of this model takes in its address."""
    yield from OF_ALL
    for spec in model_admin.list_filter:
        if isinstance(spec, str):
            yield from (spec, f"{spec}__exact", f"{spec}__isnull", f"{spec}__in", f"{spec}__gte")
        else:
            yield str(spec.parameter_name)  # type: ignore[union-attr]


of_each = pytest.mark.parametrize(
    ("model", "model_admin"), ADMINS, ids=[model._meta.model_name for model, _ in ADMINS]
)


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@some_or_all
@of_each
def test_a_list_takes_every_value_of_every_filter(
    boss: Client, model: type[Model], model_admin: admin.ModelAdmin, step: int
) -> None:
    url = list_of(model)
    names = list(parameters(model, model_admin))
    days = [(name, value) for name in names if name == "day" for value in DATES]
    for name, value in [*product(names, VALUES), *days][::step]:
        answer = boss.get(f"{url}?{urlencode({name: value})}", secure=True)
        assert answer.status_code in REFUSED, (name, value)
    for name in names[::step]:
        answer = boss.get(f"{url}?{urlencode({name: 'a' + chr(0)})}", secure=True)
        assert answer.status_code == 400, name


@some_or_all
@of_each
def test_no_part_of_a_time_and_no_pattern_breaks_a_list(
    boss: Client, model: type[Model], model_admin: admin.ModelAdmin, step: int
) -> None:
    url = list_of(model)
    times = [field.name for field in model._meta.fields if isinstance(field, DateField)]
    for name, part, value in [*product(times, PARTS_OF_TIMES, YEARS)][::step]:
        answer = boss.get(f"{url}?{name}__{part}={value}", secure=True)
        assert answer.status_code in {302, 400}, (name, part, value)
    texts = {spec for spec in model_admin.list_filter if isinstance(spec, str)}
    for name in texts:
        with transaction.atomic():  # PostgreSQL takes no more after what it cannot read
            answer = boss.get(f"{url}?{name}__regex=(", secure=True)
            transaction.set_rollback(True)
        assert answer.status_code in {302, 400}, name


@some_or_all
@pytest.mark.parametrize("value", [*VALUES, "\0"])
def test_so_do_the_pages_of_rows_the_choices_and_the_actions(
    boss: Client, value: str, step: int
) -> None:
    key = value.replace("\n", "_") or "_"
    first = [*VALUES, "\0"].index(value) % step  # of another model for each value
    for model, _ in ADMINS[first::step]:
        names = f"{model._meta.app_label}_{model._meta.model_name}"
        for page in ("change", "delete", "history"):
            answer = boss.get(reverse(f"admin:{names}_{page}", args=[key]), secure=True)
            assert answer.status_code in REFUSED | {403, 404}
        for choose in ("delete_selected", "delete_messages", "lift", value):
            fields = {"action": choose, "index": "0", "_selected_action": value}
            answer = boss.post(reverse(f"admin:{names}_changelist"), fields, secure=True)
            assert answer.status_code in REFUSED
    right = {"app_label": "chat", "model_name": "message", "field_name": "room", "term": "a"}
    for name in [*right, "page"]:
        query = urlencode(right | {name: value})
        answer = boss.get(f"/admin/autocomplete/?{query}", secure=True)
        assert answer.status_code in REFUSED | {403, 404}


@some_or_all
def test_so_do_the_forms(boss: Client, step: int) -> None:
    user, room = UserFactory(), RoomFactory()
    forms = {
        "auth/group": {"name": "a", "permissions": "1"},
        "core/user": {"username": "a", "display_name": "a", "is_staff": "on", "groups": "1"},
        "chat/room": {"slug": "a", "title": "a", "kind": "open", "slow_mode_seconds": "0"},
        "chat/membership": {"room": str(room.pk), "user": str(user.pk), "role": "member"},
        "chat/sanction": {"user": str(user.pk), "room": str(room.pk), "kind": "ban"},
    }
    for model, right in forms.items():
        for name, value in [*product(right, [*VALUES, "\0"])][::step]:
            answer = boss.post(f"/admin/{model}/add/", right | {name: value}, secure=True)
            assert answer.status_code in REFUSED, (model, name, value)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("day", DATES)
def test_a_date_that_cannot_be_shown_is_not_taken(
    boss: Client, settings: Any, zone: str, day: str
) -> None:
    """West and east of UTC, where the calendar's ends are elsewhere."""
    settings.TIME_ZONE = zone
    user = str(UserFactory().pk)
    for time in ("00:00", "23:59:59"):
        fields = {"user": user, "kind": "ban", "until_0": day, "until_1": time}
        assert boss.post("/admin/chat/sanction/add/", fields, secure=True).status_code == 200
    assert boss.get("/admin/chat/sanction/", secure=True).status_code == 200
    assert (
        boss.get(f"/admin/chat/sanction/?user={user}", secure=True).context["cl"].result_count == 0
    )
