"""Links between the pages of the admin, and the marks on a message."""

from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.models import Message


def page(row: Model | None, text: str = "") -> SafeString | str:
    """A link to the row's own page."""
    if row is None:
        return "–"
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, text or str(row))


def rows(model: str, text: str, **filters: Any) -> SafeString:
    """A link to a list of the chat's `model` under these filters."""
    url = reverse(f"admin:chat_{model}_changelist")
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return format_html('<a href="{}?{}">{}</a>', url, query, text)


def said(message: Message, text: str) -> SafeString:
    """The text as people saw it, struck through where they no longer do."""
    tag = "del" if message.is_deleted else "span"
    return format_html('<{} class="said">{}</{}>', SafeString(tag), text, SafeString(tag))


def mark(text: str) -> SafeString:
    return format_html('<span class="mark">{}</span>', text)


def marks(message: Message) -> SafeString | str:
    if message.is_deleted:
        by = message.deleted_by.name if message.deleted_by else "an unknown person"
        return format_html('<span class="mark deleted">deleted by {}</span>', by)
    if message.edited_at:
        return mark("edited")
    return ""
