from chat.admin.accounts import AuditedGroupAdmin, AuditedUserAdmin
from chat.admin.memberships import MembershipAdmin
from chat.admin.messages import MessageAdmin
from chat.admin.moderation import AuditEntryAdmin, SanctionAdmin
from chat.admin.rooms import RoomAdmin

__all__ = [
    "AuditEntryAdmin",
    "AuditedGroupAdmin",
    "AuditedUserAdmin",
    "MembershipAdmin",
    "MessageAdmin",
    "RoomAdmin",
    "SanctionAdmin",
]
