"""Guests who looked in, left nothing behind, and cannot come back: their session is over."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Exists, ManyToOneRel, OuterRef, Q, QuerySet
from django.utils import timezone

from chat.models import Membership
from core.models import User

BATCH = 1_000


def found(before: datetime) -> list[int]:
    """Those who were not seen since `before`, and have no session that still lasts."""
    known = set(_in_sessions())
    return [pk for pk in _idle(before).values_list("pk", flat=True).iterator() if pk not in known]


def remove(guests: Sequence[int], before: datetime) -> Iterator[int]:
    """Delete `guests` in batches, with their memberships; yields how many each batch deleted.

    Nobody can become one of these guests again. What others do to them meanwhile (a ban, say) is
    waited for, and keeps them.
    """
    for start in range(0, len(guests), BATCH):
        with transaction.atomic():
            people = User.objects.filter(pk__in=guests[start : start + BATCH])
            # Rows that point to a person lock the person's; in one order, so that none deadlock.
            list(people.order_by("pk").select_for_update().values_list("pk"))
            gone = list(_idle(before).filter(pk__in=people).values_list("pk", flat=True))
            with connection.cursor() as cursor:
                # Not through the ORM, which asks for each membership whether it closes sockets.
                cursor.execute("DELETE FROM chat_membership WHERE user_id = ANY(%s)", [gone])
                cursor.execute("DELETE FROM core_user WHERE id = ANY(%s)", [gone])
        yield len(gone)


def _idle(before: datetime) -> "QuerySet[User]":
    """Guests without a trace: no row of any model points to them but plain memberships."""
    memberships = Membership.objects.filter(user=OuterRef("pk"))
    traces = [
        Exists(relation.related_model._base_manager.filter(**{relation.field.name: OuterRef("pk")}))
        for relation in User._meta.get_fields(include_hidden=True)
        if isinstance(relation, ManyToOneRel) and relation.related_model is not Membership
    ]
    return (
        User.objects.filter(is_guest=True, is_staff=False, is_superuser=False)
        .filter(Q(last_seen_at=None) | Q(last_seen_at__lt=before), date_joined__lt=before)
        .filter(Q(last_login=None) | Q(last_login__lt=before))
        .exclude(Exists(memberships.exclude(role=Membership.Role.MEMBER)))
        .filter(*(~trace for trace in traces))
    )


def _in_sessions() -> Iterator[int]:
    """Whose the sessions are that last. Only what is in them says so, not a column."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if user := session.get_decoded().get(SESSION_KEY):
            yield int(user)
