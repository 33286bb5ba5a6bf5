"""Accounts and groups, as core and Django have them, and in the audit log."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpResponse

from chat.admin.audit import Audited
from core.admin import UserAdmin
from core.admin_lists import QuickList
from core.models import User

# core knows nothing of chat, and so of its log.
admin.site.unregister([User, Group])


@admin.register(User)
class AuditedUserAdmin(Audited, UserAdmin):
    def user_change_password(self, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic():  # Django has none here: the password and its entry, or neither
            return super().user_change_password(*args, **kwargs)


@admin.register(Group)
class AuditedGroupAdmin(Audited, QuickList, GroupAdmin):
    """Whoever changes a group gives power away."""
