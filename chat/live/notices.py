"""What pages, the admin and signals tell every process about people and rooms (chat/live/bus.py),
as it concerns this process's connections."""

from chat.live import bus
from chat.live.connections import Connections
from chat.live.hub import Hub
from chat.live.revocations import Revocations
from chat.protocol import frames
from chat.protocol.errors import Close
from chat.rooms.permissions import is_theirs


class Notices:
    """Carries out what is told; the hub's mailbox calls it."""

    def __init__(self, hub: Hub, connections: Connections, revocations: Revocations) -> None:
        self._hub = hub
        self._connections = connections
        self._revocations = revocations
        hub.mailbox.hear(bus.UserChanged, self._on_changed)
        hub.mailbox.hear(bus.UserRenamed, self._on_renamed)
        hub.mailbox.hear(bus.CloseConnections, self._on_close)
        hub.mailbox.hear(bus.RoomUpdated, self._on_updated)

    def _on_changed(self, message: bus.UserChanged) -> None:
        """Look what a person wants and may now: of two changes the later may be told first."""
        for connection in self._connections.of(message.user):
            self._revocations.check_soon(connection)

    def _on_renamed(self, message: bus.UserRenamed) -> None:
        for connection in self._connections.of(message.user):
            connection.user = message.who

    def _on_close(self, message: bus.CloseConnections) -> None:
        named = (message.connection, message.session, message.room)
        for connection in self._connections.of(message.user):
            own = (connection.name, connection.session, connection.room_id)
            if all(one is None or one == mine for one, mine in zip(named, own, strict=True)):
                connection.close(message.code, message.detail)

    def _on_updated(self, message: bus.RoomUpdated) -> None:
        fields = message.fields
        for connection in self._connections:
            if connection.room_id == fields.id:
                if not is_theirs(fields.kind, is_member=connection.is_member):
                    connection.close(Close.COME_BACK)  # before it learns more of the room
                connection.room_fields = fields
        feed = self._hub.feeds.get(fields.id)
        if feed is not None:
            feed.send([frames.updated(fields)], feed.connections)
