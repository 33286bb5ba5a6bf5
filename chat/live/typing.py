"""Who is typing: shown to the others in the room, stored nowhere."""

from chat.live import bus
from chat.live.connection import Connection
from chat.live.hub import Hub
from chat.protocol import frames
from chat.protocol.changes import Person
from core.rates import Buckets

EVERY = 3.0  # seconds; more often a person is not shown …
TYPISTS = 4  # … and not more people of a room: past three they are several


class Typing:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._people = Buckets(1 / EVERY, 1)
        self._rooms = Buckets(TYPISTS / EVERY, TYPISTS)
        hub.mailbox.hear(bus.Typing, self._on_typing)

    def show(self, connection: Connection) -> None:
        """Show that somebody types, if they may write; refused silently."""
        is_archived = connection.room_fields.archived
        if connection.is_invisible or connection.is_muted or is_archived:
            return
        user, room = connection.user, connection.room_id
        if self._show(room, user):
            self._hub.tell(room, bus.Typing(room, (user.id, user.name)))

    def _on_typing(self, message: bus.Typing) -> None:
        self._show(message.room, Person(*message.user))

    def _show(self, room: int, user: Person) -> bool:
        """At most so often a person, over all their tabs on all processes, and so many a room:
        else it would grow with the square of a crowd."""
        if self._people.take((user.id, room)) or self._rooms.take(room):
            return False
        feed = self._hub.feeds.get(room)
        if feed is not None:
            others = {one for one in feed.connections if one.user.id != user.id}
            feed.send([frames.typing(user)], others)
        return True
