"""Finding messages among a million in a moment, whatever the filters.

PostgreSQL plans `ORDER BY … LIMIT 50` by the guess that matches are spread evenly. Where they are
not (two common words that never meet, a quiet room in a busy year) it walks an index to the end.
So the list is found in one of two ways, and the ids of a page come before its rows:

- One filter or none: an index holds the rows in the order of the list. Walk it.
- More, or a search: gather the ids of at most `shown_max` matches through bitmaps of the indexes,
  which costs by what matches and not by what does not, and sort those. Only if there are more
  than that, walk after all: now the matches are known to be dense.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import InvalidPage
from django.db import OperationalError
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.functional import cached_property
from psycopg.errors import QueryCanceled

from chat.models import Message, Revision
from core.admin_filters import Narrowing
from core.admin_lists import CappedPaginator
from core.database.planner import estimated_rows, plan_with

EXCERPT = 240  # characters of a message in the list
PATIENCE = "4000"  # ms; a list that takes longer is given up with a word to the moderator

WALK = {"jit": "off", "statement_timeout": PATIENCE}
GATHER = WALK | {
    "enable_seqscan": "off",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
}


class MessagePaginator(CappedPaginator):
    """Pages of message ids. `order` is the list's (descending); `narrowed` names what is in use."""

    object_list: QuerySet[Message]
    # A walk's deep pages cost by their depth divided by how dense the matches are.
    walked_max = 1_000

    def __init__(
        self, queryset: QuerySet[Message], per_page: int, order: list[str], narrowed: set[str]
    ) -> None:
        super().__init__(queryset, per_page)
        self.order = order
        self.narrowed = narrowed
        # `state` and a search have no index in the list's order, even alone
        self.combined = len(narrowed) > 1 or bool(narrowed & {"q", "state"})

    @cached_property
    def gathered(self) -> list[int] | None:
        """All ids in order, where filters combine and leave few enough; else None."""
        if not self.combined:
            return None
        keys = [name.removeprefix("-") for name in self.order]
        with plan_with(**GATHER):
            rows = list(self.object_list.order_by().values_list("pk", *keys)[: self.shown_max + 1])
        if len(rows) > self.shown_max:
            return None
        rows.sort(key=lambda row: row[1:], reverse=True)
        return [row[0] for row in rows]

    @property
    def is_dense(self) -> bool:
        """Filters combine, and still leave too many to gather."""
        return self.combined and self.gathered is None

    @cached_property
    def found(self) -> int:
        if self.gathered is not None:
            return len(self.gathered)
        if self.is_dense:
            return self.shown_max + 1
        if not self.narrowed and (estimate := estimated_rows(Message)) > self.shown_max:
            return estimate
        with plan_with(**WALK):
            return int(self.object_list.order_by()[: self.shown_max + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self.found, self.walked_max if self.is_dense else self.shown_max)

    @property
    def count_label(self) -> str:
        if not self.narrowed and self.found > self.shown_max:
            return f"about {self.found:,}"
        return super().count_label

    def ids(self, number: int) -> list[int]:
        start = (self.validate_number(number) - 1) * self.per_page
        if self.gathered is not None:
            return self.gathered[start : start + self.per_page]
        with plan_with(**WALK):
            found = self.object_list.values_list("pk", flat=True)
            return list(found[start : min(start + self.per_page, self.count)])


class MessageChangeList(ChangeList):
    """The list of messages; its order follows the filter, for an index to walk."""

    @property
    def narrowed(self) -> set[str]:
        ours = [spec for spec in self.filter_specs if isinstance(spec, Narrowing)]
        names = {str(spec.parameter_name) for spec in ours if spec.narrows}
        if self.query:
            names.add("q")
        # a room from one message downwards is still one walk of one index
        return names - {"upto"} if "room" in names else names

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Message]) -> list[Any]:
        """By the filter in use, never by a column that somebody clicked."""
        if "room" in self.narrowed:
            return ["-seq"]
        if self.narrowed == {"author"}:
            return ["-id"]
        return ["-created_at", "-id"]

    def get_results(self, request: HttpRequest) -> None:
        self.paginator = MessagePaginator(
            self.queryset,
            self.list_per_page,
            self.get_ordering(request, self.queryset),
            self.narrowed,
        )
        try:
            self.result_list = self._page()
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            messages.error(request, "This search takes too long. Narrow it by room, author or day.")
            self.paginator = MessagePaginator(self.queryset.none(), self.list_per_page, [], {"q"})
            self.result_list = []
        self.result_count = self.paginator.count
        self.full_result_count = self.result_count  # see CappedChangeList
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = False
        self.multi_page = self.result_count > self.list_per_page

    def _page(self) -> list[Message]:
        ids = self.paginator.ids(self.page_num)
        rows = (
            Message.objects.defer("body", "search_vector")
            .annotate(excerpt=Left("body", EXCERPT))
            .select_related("room", "author", "deleted_by")
            .in_bulk(ids)
        )
        removed = removed_texts(row.pk for row in rows.values() if row.is_deleted)
        for row in rows.values():
            row.excerpt = removed.get(row.pk, row.excerpt)
        return [rows[pk] for pk in ids if pk in rows]


def removed_texts(ids: Iterable[int], length: int = EXCERPT) -> dict[int, str]:
    """What deleted messages said, by message id; the first `length` characters."""
    deletions = Revision.objects.filter(message__in=list(ids), kind=Revision.Kind.DELETE)
    return dict(deletions.values_list("message_id", Left("body", length)))
