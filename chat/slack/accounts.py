"""Slack's people and bots as users of the chat.

An imported account is found by Slack's id alone (`chat.Imported`), never by its name. It cannot
sign in until somebody gives it a password, and no right in Slack becomes a right here. Mail
addresses stay out: nobody asked those people.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models.functions import Lower

from chat.models import Imported
from chat.slack.entries import Author
from chat.slack.export import Person
from core.accounts.names import cleaned, is_disguised
from core.models import User

SOURCE = "slack"
_USERNAME_MAX = 140  # of 150, less what makes it unique
_BATCH = 1_000


class Accounts:
    """Slack id → primary key of the user; makes the users that are missing."""

    def __init__(self, people: Mapping[str, Person], profiles: Mapping[str, str]) -> None:
        """`profiles`: names of people of other organizations, by their ids."""
        self.people = people
        self.profiles = profiles
        self.made = 0
        self._pks: dict[str, int] = {}

    def __getitem__(self, key: str) -> int:
        return self._pks[key]

    def __contains__(self, key: object) -> bool:
        return key in self._pks

    def ensure(self, authors: Iterable[Author]) -> int:
        """Find or make a user for each author, all or none. Returns how many were made."""
        wanted = {author.key: author for author in authors if author.key not in self._pks}
        found: dict[str, int] = {}
        with transaction.atomic():
            for batch in _batches(wanted):
                rows = Imported.objects.filter(source=SOURCE, key__in=batch, user__isnull=False)
                found.update(rows.values_list("key", "user_id"))
            missing = [author for key, author in wanted.items() if key not in found]
            found.update(self._make(missing))
        self._pks.update(found)  # after the commit: a failure must leave no key without its user
        return len(missing)

    def _make(self, authors: list[Author]) -> dict[str, int]:
        persons = [self._person(author) for author in authors]
        usernames = _unique(person.username for person in persons)
        users = [
            User(
                username=username,
                display_name=person.display_name,
                is_active=person.is_active,
                password=make_password(None),
            )
            for person, username in zip(persons, usernames, strict=True)
        ]
        User.objects.bulk_create(users, batch_size=_BATCH)
        made = {author.key: user.pk for author, user in zip(authors, users, strict=True)}
        Imported.objects.bulk_create(
            (Imported(source=SOURCE, key=key, user_id=pk) for key, pk in made.items()),
            batch_size=_BATCH,
        )
        return made

    def _person(self, author: Author) -> Person:
        """Somebody whom users.json does not know still wrote: the talk stays whole."""
        if person := self.people.get(author.key):
            return person
        if author.key == "USLACKBOT":
            return Person(author.key, "slackbot", "Slackbot", is_active=True)
        name = author.name or self.profiles.get(author.key) or f"unknown {author.key}"
        return Person(author.key, name, name, is_active=author.is_bot)


def _unique(names: Iterable[str]) -> list[str]:
    """A valid username for each name, unlike all others here and there, whatever their case."""
    wanted = [_username(name) for name in names]
    lowered = [name.lower() for name in wanted]
    taken = {name for batch in _batches(lowered) for name in _in_use(batch)}
    usernames = []
    for name in wanted:
        username, number = name, 1
        while username.lower() in taken:
            suffix = "-slack" if number == 1 else f"-slack-{number}"
            username, number = name + suffix, number + 1
            taken.update(_in_use([username.lower()]))
        taken.add(username.lower())
        usernames.append(username)
    return usernames


def _username(name: str) -> str:
    name = re.sub(r"[^\w.@+-]+", "-", unicodedata.normalize("NFKC", cleaned(name)))
    name = name.strip("-")[:_USERNAME_MAX]
    return "slack-user" if not name or is_disguised(name) else name


def _in_use(lowered: list[str]) -> Iterable[str]:
    names = User.objects.annotate(lowered=Lower("username"))
    return names.filter(lowered__in=lowered).values_list("lowered", flat=True)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    every = list(keys)
    for start in range(0, len(every), _BATCH):
        yield every[start : start + _BATCH]
