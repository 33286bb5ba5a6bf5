"""The connections of this process, by person."""

from collections.abc import Iterator

from django.conf import settings

from chat.live.connection import Connection
from chat.protocol.errors import Close, Rejected


class Connections:
    def __init__(self) -> None:
        self._by_user: dict[int, set[Connection]] = {}

    def add(self, connection: Connection) -> None:
        """Count it, until it ends. Raises Rejected where its user has too many."""
        mine = self._by_user.setdefault(connection.user.id, set())
        if len(mine) >= settings.CHAT_CONNECTIONS_MAX:
            raise Rejected(
                Close.TOO_MANY,
                f"You have {settings.CHAT_CONNECTIONS_MAX} connections open. Close other tabs.",
            )
        mine.add(connection)
        connection.on_end.append(self._remove)

    def of(self, user: int) -> list[Connection]:
        return list(self._by_user.get(user, ()))

    def __iter__(self) -> Iterator[Connection]:
        return iter([one for mine in self._by_user.values() for one in mine])

    def seen_users(self) -> list[int]:
        """Who is here and not invisible on every connection."""
        return [
            user
            for user, mine in self._by_user.items()
            if not all(one.is_invisible for one in mine)
        ]

    def rooms_without_membership(self) -> set[int]:
        """The rooms in which somebody is no member: those that were vacant when they came."""
        return {one.room_id for one in self if not one.is_member}

    def _remove(self, connection: Connection) -> None:
        mine = self._by_user[connection.user.id]
        mine.discard(connection)
        if not mine:
            del self._by_user[connection.user.id]
