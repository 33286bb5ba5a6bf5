from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.accounts.forms import WithNames
from core.admin_lists import QuickList
from core.models import User

admin.site.site_header = f"{settings.SITE_NAME} moderation"
admin.site.site_title = f"{settings.SITE_NAME} moderation"
admin.site.index_title = "Rooms and people"
# The few lists are on the first page; the width belongs to what people said.
admin.site.enable_nav_sidebar = False


class ChangeForm(WithNames, UserChangeForm):
    pass


class CreationForm(WithNames, AdminUserCreationForm):
    pass


@admin.register(User)
class UserAdmin(QuickList, DjangoUserAdmin):
    """Accounts. Only a superuser gives power away or touches the account of somebody who has some:

    otherwise the right to edit users would be the right to become anybody.
    """

    form = ChangeForm
    add_form = CreationForm
    list_display = (
        *("username", "display_name", "is_guest", "is_staff", "is_active"),
        *("last_seen_at", "is_invisible", "said"),
    )
    list_filter = ("is_staff", "is_guest", "is_active", "is_invisible")
    search_fields = ("username", "display_name", "email")
    ordering = ("username",)
    sortable_by = ("username", "display_name")
    # invisible is for people themselves to choose: the servers must be told
    readonly_fields = ("last_login", "date_joined", "last_seen_at", "is_invisible", "links")
    power = ("is_staff", "is_superuser", "groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("username", "display_name", "email", "password", "links")}),
        ("Account", {"fields": ("is_active", "is_guest", "last_login", "date_joined")}),
        ("Presence", {"fields": ("last_seen_at", "is_invisible")}),
        ("Power", {"fields": power}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may not set a password sees nothing of it, and is offered nothing."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.is_superuser:
            return fieldsets
        hidden = ("password", "user_permissions")
        return [
            (title, {**options, "fields": [f for f in options["fields"] if f not in hidden]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, *self.power)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        if obj is None or request.user.is_superuser:
            return allowed
        return allowed and not obj.has_power

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: what they wrote keeps its author. Take `active` away instead."""
        return False

    @admin.display(description="messages")
    def said(self, user: User) -> SafeString:
        return _list_link("message", "author", user, "messages")

    @admin.display(description="see also")
    def links(self, user: User) -> SafeString:
        return format_html(
            "{} · {} · {}",
            _list_link("message", "author", user, "messages"),
            _list_link("membership", "user", user, "rooms"),
            _list_link("sanction", "user", user, "sanctions"),
        )


def _list_link(model: str, by: str, user: User, text: str) -> SafeString:
    url = reverse(f"admin:chat_{model}_changelist")
    return format_html('<a href="{}?{}={}">{}</a>', url, by, user.pk, text)
