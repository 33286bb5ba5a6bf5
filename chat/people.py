"""Names of people by id, remembered by this process for a while."""

import time
from collections.abc import Iterable

from chat.events import Person
from chat.reading import reading
from core.models import User

REMEMBERED = 20_000  # people
FRESH = 300  # seconds, after which a changed name is seen


class People:
    def __init__(self) -> None:
        self._known: dict[int, tuple[float, Person]] = {}

    def remember(self, person: Person) -> None:
        self._known[person.id] = (time.monotonic() + FRESH, person)

    def known(self, pk: int) -> Person | None:
        """The person, if remembered, however long ago."""
        return self._known[pk][1] if pk in self._known else None

    async def named(self, ids: Iterable[int]) -> list[Person]:
        """These people, without those who do not exist."""
        ids = list(ids)
        now = time.monotonic()
        missing = [pk for pk in ids if self._known.get(pk, (0,))[0] < now]
        if missing:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            for person in await reading(_names)(missing):
                self.remember(person)
        return [self._known[pk][1] for pk in ids if pk in self._known]


def _names(ids: list[int]) -> list[Person]:
    return [Person(user.pk, user.name) for user in User.objects.filter(pk__in=ids)]
