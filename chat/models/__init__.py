from chat.models.address import Address
from chat.models.audit import AuditEntry
from chat.models.imported import Imported
from chat.models.membership import Membership
from chat.models.message import Message
from chat.models.reaction import Reaction
from chat.models.revision import Revision
from chat.models.room import Room
from chat.models.sanction import Sanction

__all__ = [
    "Address",
    "AuditEntry",
    "Imported",
    "Membership",
    "Message",
    "Reaction",
    "Revision",
    "Room",
    "Sanction",
]
