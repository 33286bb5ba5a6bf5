"""Slack's channels as rooms, and who belongs to them.

A channel keeps its room by Slack's id (`chat.Imported`). A new channel gets a new room. It never
joins one that people have made here, save for an open and untouched one of the same address, which
comes into being when somebody looks for the channel before the import. Another taken address
makes the new one "general-slack": talk never moves into a room with other readers. What is not
open bears its name as a title only, and gets an address that nobody guesses.
"""

import unicodedata
from collections.abc import Iterator
from datetime import datetime
from itertools import count

from chat.models import Address, Imported, Membership, Room
from chat.models.slugs import SLUG_MAX, is_unguessable, unguessable_slug
from chat.rooms.slugs import slug_for
from chat.slack.accounts import SOURCE, Accounts
from chat.slack.export import SlackRoom
from chat.slack.markup import Names
from core.visible import hides_nothing


def find_or_make(slack: SlackRoom, names: Names, accounts: Accounts) -> tuple[Room, bool]:
    """The channel's room, locked, and whether this import is its first."""
    known = Room.objects.filter(imported__source=SOURCE, imported__key=slack.id)
    if room := known.select_for_update(of=("self",)).first():
        return room, False
    room = _make(slack, names, accounts)
    Imported.objects.create(source=SOURCE, key=slack.id, room=room)
    return room, True


def settle_members(
    slack: SlackRoom, room: Room, accounts: Accounts, joined: dict[int, datetime], *, first: bool
) -> int:
    """Give the room its members, and return how many are new.

    `joined` are the users who came, by an entry that is new to us, and stayed, and when. Slack's
    list counts at the first import only. Later ones add those of `joined`: somebody whom a
    moderator has removed here since does not come back.
    """
    listed = {accounts[member] for member in slack.members if member in accounts}
    wanted = listed if first else set()
    if room.kind == Room.Kind.OPEN or not slack.members:
        wanted = wanted | joined.keys()
    else:  # the list knows of removals that left no entry
        wanted = wanted | (joined.keys() & listed)
    missing = sorted(wanted - set(room.memberships.values_list("user_id", flat=True)))
    made = [Membership(room=room, user_id=user) for user in missing]
    Membership.objects.bulk_create(made, batch_size=1_000)
    dated = [membership for membership in made if membership.user_id in joined]
    for membership in dated:
        membership.joined_at = joined[membership.user_id]  # creating sets it to now
    Membership.objects.bulk_update(dated, ["joined_at"], batch_size=1_000)
    return len(made)


def _make(slack: SlackRoom, names: Names, accounts: Accounts) -> Room:
    title = slack.name if slack.kind == Room.Kind.OPEN else _private_title(slack, names)
    title = title if hides_nothing(title) else slack.id
    topic = names.readable(slack.topic)[:500]
    if slack.kind == Room.Kind.DIRECT:
        pair = sorted({accounts[member] for member in slack.members})
        if len(pair) == 2:
            return _make_direct(slack, pair[0], pair[1])
    if slack.kind == Room.Kind.OPEN:
        slug = slug_of(slack)
        room = _untouched(slug) or Room(slug=_free(slug), kind=Room.Kind.OPEN)
    else:  # at the address of its name anybody who guesses that would find that it is taken
        room = Room(slug=unguessable_slug(Room.Kind.PRIVATE), kind=Room.Kind.PRIVATE)
    room.title = room.title or title[:120]
    room.topic = room.topic or topic
    room.is_archived = slack.is_archived
    return _saved(room, slack)


def _make_direct(slack: SlackRoom, low: int, high: int) -> Room:
    """The pair's one direct room: theirs already, where both accounts have been handed over."""
    pair = Room.objects.filter(direct_low_id=low, direct_high_id=high).select_for_update()
    room = pair.first() or Room(
        slug=unguessable_slug(Room.Kind.DIRECT),
        kind=Room.Kind.DIRECT,
        direct_low_id=low,
        direct_high_id=high,
    )
    return _saved(room, slack)


def _saved(room: Room, slack: SlackRoom) -> Room:
    is_new = room.pk is None
    room.save()
    if is_new and slack.created:
        room.created_at = slack.created  # creating sets it to now
        room.save(update_fields=["created_at"])
    return room


def _untouched(slug: str) -> Room | None:
    """An open room of this address in which nothing ever happened."""
    rooms = Room.objects.open().filter(slug=slug, head=0, is_archived=False, imported=None)
    return rooms.select_for_update(of=("self",)).first()


def slug_of(slack: SlackRoom) -> str:
    """The address of an open channel, if it is free."""
    name = unicodedata.normalize("NFKC", slack.name).replace(".", "-")
    slug = slug_for(name)
    return slack.id.lower() if not slug or is_unguessable(slug) else slug


def _free(slug: str) -> str:
    return next(one for one in _slugs(slug) if not Address.objects.filter(slug=one).exists())


def _slugs(slug: str) -> Iterator[str]:
    yield slug
    stem = slug[: SLUG_MAX - 15]
    yield f"{stem}-slack"
    yield from (f"{stem}-slack-{number}" for number in count(2))


def _private_title(slack: SlackRoom, names: Names) -> str:
    """A talk of a few is called after them; Slack's own name for it is "mpdm-ann--bob-1"."""
    if slack.kind == Room.Kind.PRIVATE and not slack.name.startswith("mpdm-"):
        return slack.name
    return ", ".join(names.user(member) for member in slack.members) or slack.name
