"""People as frames show them, made of their accounts."""

from functools import lru_cache

from chat.protocol.changes import Person
from core.accounts.looks import looks_of
from core.models import User


def person_of(user: User) -> Person:
    return person(user.pk, user.username, user.display_name, user.has_power, user.is_guest)


@lru_cache(20_000)
def person(pk: int, username: str, display_name: str, has_power: bool, is_guest: bool) -> Person:
    """Of a row, as User.person_sql gives it."""
    user = User(username=username, display_name=display_name, is_staff=has_power, is_guest=is_guest)
    name, looks = user.name, looks_of(user.name)
    if name.isascii() and looks == (name.lower(),):
        looks = ()
    return Person(pk, name, None if name == username else username, looks, user.mark)
