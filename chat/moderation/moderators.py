"""Who may do what in the admin: the group whose members look after rooms and people."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission

GROUP = "Moderators"

# Not in here, on purpose: changing users (whoever may edit accounts may make themselves
# anything), and adding or changing messages, revisions and audit entries (nobody may). To delete a
# message is to take it out of its room's talk (chat.admin.messages), never out of the table.
PERMISSIONS = (
    "chat.view_room",
    "chat.add_room",
    "chat.change_room",
    "chat.view_message",
    "chat.delete_message",
    "chat.view_revision",
    "chat.view_reaction",
    "chat.view_membership",
    "chat.add_membership",
    "chat.change_membership",
    "chat.delete_membership",
    "chat.view_sanction",
    "chat.add_sanction",
    "chat.change_sanction",
    "chat.view_auditentry",
    "core.view_user",
)


def make_group(sender: AppConfig, **kwargs: Any) -> None:
    """After each migrate, when the last app's permissions are there."""
    needed = {name.split(".")[1] for name in PERMISSIONS}
    if needed <= set(Permission.objects.values_list("codename", flat=True)):
        moderators()


def moderators() -> Group:
    """The group, made on first use. Permissions that somebody took from it stay taken."""
    group, is_new = Group.objects.get_or_create(name=GROUP)
    if is_new:
        apps, names = zip(*(name.split(".") for name in PERMISSIONS), strict=True)
        found = Permission.objects.filter(
            content_type__app_label__in=apps, codename__in=names
        ).select_related("content_type")
        group.permissions.set(
            p for p in found if f"{p.content_type.app_label}.{p.codename}" in PERMISSIONS
        )
    return group
