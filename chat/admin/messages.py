from collections import defaultdict
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.postgres.search import SearchQuery
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chat.admin import links
from chat.admin.audit import Audited
from chat.admin.filters import AuthorFilter, DeletedFilter, RoomFilter, UpToFilter
from chat.admin.message_list import MessageChangeList, removed_texts
from chat.live.bus import announce
from chat.log.apply import apply
from chat.log.write import Write
from chat.models import Message, Revision
from chat.models.message import BODY_MAX
from chat.protocol.changes import Change
from chat.protocol.commands import Remove
from core.admin_filters import DayFilter
from core.admin_lists import ReadOnly

SEARCH_MAX = 200  # characters; each word more is another set of matches to build
DELETED_MAX = 500  # deleted messages that a search finds; the newest
AROUND = 25  # messages after this one, when it is shown in its talk


class RevisionInline(admin.TabularInline):
    model = Revision
    template = "admin/chat/message/revisions.html"
    fields = ("created_at", "kind", "by", "reason", "text")
    readonly_fields = fields
    can_delete = False
    verbose_name_plural = "earlier versions"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Revision]:
        return super().get_queryset(request).select_related("by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="text before")
    def text(self, revision: Revision) -> SafeString:
        return format_html('<span class="said">{}</span>', revision.body)


class DeletionForm(ActionForm):
    reason = forms.CharField(max_length=500, required=False)


@admin.register(Message)
class MessageAdmin(Audited, ReadOnly):
    """Messages to read and search. To change one here would go round the room's log: no place
    taken, nobody told, no revision kept. They are deleted as in the room, by the same actions.
    """

    actions = ("delete_messages",)
    action_form = DeletionForm
    list_display = ("when", "place", "who", "text", "state")
    list_display_links = ("when",)
    list_filter = (RoomFilter, AuthorFilter, DayFilter, DeletedFilter, UpToFilter)
    # how it is searched is in get_search_results; the name only makes the box appear
    search_fields = ("search_vector",)
    search_help_text = (
        "Whole words, “a phrase”, -without; id:123 finds one message. Deleted messages are "
        "found by their original text."
    )
    sortable_by = ()
    inlines = (RevisionInline,)
    fieldsets = (
        (None, {"fields": ("place", "who", "created_at", "text", "state", "liked")}),
        ("Place", {"fields": ("seq", "pos", "kind", "answers", "context", "client_id")}),
        ("Changes", {"fields": ("edited_at", "deleted_at", "deleted_by")}),
    )
    readonly_fields = ("place", "who", "text", "state", "liked", "answers", "context")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).select_related("room", "author", "deleted_by")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[MessageChangeList]:
        return MessageChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        term = search_term.strip()[:SEARCH_MAX]
        if not term:
            return queryset, False
        number = term.removeprefix("id:")
        if number != term and number.isdecimal():
            return queryset.filter(pk=int(number)), False
        query = SearchQuery(term, config="simple", search_type="websearch")
        found = Q(search_vector=query)
        deleted = Revision.objects.deletions_of(query).values_list("message_id", flat=True)
        # By id, not as a subquery: the list is planned through bitmaps (see message_list.py).
        if ids := list(deleted[:DELETED_MAX]):
            found |= Q(pk__in=ids)
        return queryset.filter(found), False

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.delete_message")

    @admin.action(description="Delete selected messages", permissions=["moderate"])
    def delete_messages(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        chosen = list(queryset[: self.list_per_page + 1])
        if len(chosen) > self.list_per_page:
            self.message_user(request, "Delete one page at a time.", messages.ERROR)
            return
        assert request.user.pk is not None
        command = partial(Remove, reason=request.POST.get("reason", ""))
        writes = [Write(one.room_id, request.user.pk, command(id=one.pk)) for one in chosen]
        changes: defaultdict[int, list[Change]] = defaultdict(list)
        with transaction.atomic():
            for write, outcome in zip(writes, apply(writes), strict=True):
                if isinstance(outcome, Change):
                    changes[write.room].append(outcome)
            ids = [change.id for room in changes.values() for change in room]
            self.log_deletions(request, Message.objects.filter(pk__in=ids).select_related("room"))
        for room, committed in changes.items():
            announce(room, committed)
        self.message_user(request, f"{len(ids)} deleted.")

    @admin.display(description="time")
    def when(self, message: Message) -> Any:
        return message.created_at

    @admin.display(description="room")
    def place(self, message: Message) -> SafeString:
        room = message.room
        return format_html(
            "{} {}", links.page(room), links.rows("message", f"#{message.seq}", room=room.pk)
        )

    @admin.display(description="author")
    def who(self, message: Message) -> SafeString | str:
        return links.page(message.author)

    @admin.display(description="text")
    def text(self, message: Message) -> SafeString:
        excerpt = getattr(message, "excerpt", None)  # the list's; a page has the whole
        if excerpt is None:
            excerpt = message.body
            if message.is_deleted:
                excerpt = removed_texts([message.pk], BODY_MAX).get(message.pk, "")
        return links.said(message, excerpt)

    @admin.display(description="state", empty_value="")
    def state(self, message: Message) -> SafeString | str:
        return links.marks(message)

    @admin.display(description="in reply to")
    def answers(self, message: Message) -> SafeString | str:
        reply_to = message.reply_to
        return links.page(reply_to, f"#{reply_to.seq}" if reply_to else "")  # in the same room

    @admin.display(description="context")
    def context(self, message: Message) -> SafeString:
        return links.rows(
            "message", "messages around it", room=message.room_id, upto=message.seq + AROUND
        )

    @admin.display(description="reactions")
    def liked(self, message: Message) -> SafeString | str:
        counts = message.reactions.order_by().values_list("emoji").annotate(n=Count("pk"))
        return format_html_join(" ", "{} {}", counts) or "–"
