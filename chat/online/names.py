"""Names of people by id, remembered by this process for a while."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable

from django.db import Error as DatabaseError

from chat.live import bus
from chat.live.mailbox import Mailbox
from chat.live.queries import query
from chat.protocol.changes import Person
from chat.protocol.persons import person_of
from core.models import User

REMEMBERED = 20_000  # people; of more, those that were needed longest ago are forgotten
FRESH = 300  # seconds, after which a changed name is seen
DELETED = "Deleted user"  # whose lease has not ended yet


class Names:
    """`on_rename` are called with who has another name than we knew."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.on_rename: list[Callable[[int], None]] = []
        self._known: dict[int, tuple[float, Person]] = {}  # those needed last at the end
        self._one_read = asyncio.Lock()
        mailbox.hear(bus.UserRenamed, self._on_renamed)

    def remember(self, person: Person) -> None:
        _, before = self._known.pop(person.id, (0.0, person))
        self._known[person.id] = (time.monotonic() + FRESH, person)
        if before != person:
            for renamed in self.on_rename:
                renamed(person.id)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def known(self, pk: int) -> Person | None:
        """The person, if remembered, however long ago."""
        if pk not in self._known:
            return None
        found = self._known[pk] = self._known.pop(pk)
        return found[1]

    async def learn(self, users: Iterable[int]) -> None:
        """See that these people are known, by the names they have now.

        However many ask, they are read once. Raises DatabaseError where somebody is not known.
        """
        pks = list(users)
        if not self._old(pks):
            return
        async with self._one_read:
            old = self._old(pks)
            if not old:
                return
            try:
                found = {person.id: person for person in await query(_people)(old)}
            except DatabaseError:
                if any(self.known(pk) is None for pk in old):
                    raise
                return  # what they were called will do
            for pk in old:
                self.remember(found.get(pk) or Person(pk, DELETED))

    def _on_renamed(self, message: bus.UserRenamed) -> None:
        """The name is not needed where they are not known."""
        if message.user in self._known:
            self.remember(message.who)

    def _old(self, pks: Collection[int]) -> list[int]:
        now = time.monotonic()
        return [pk for pk in pks if pk not in self._known or self._known[pk][0] < now]


def _people(pks: list[int]) -> list[Person]:
    return [person_of(user) for user in User.objects.filter(pk__in=pks)]
