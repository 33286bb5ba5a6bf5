"""Users, rooms, memberships and messages for tests and demonstrations (factory_boy).

Random parts come from factory_boy's generator: `factory.random.reseed_random(1)` makes a run
repeatable. What a trait changes after the post (edit, delete, reaction) takes its own place in
the room's log, as it does for people. `build()` keeps the same rules in memory, without a database.
"""

from typing import Any, TypeVar
from uuid import UUID

import factory
from django.db import DatabaseError, transaction
from django.db.models import Model
from django.utils import timezone
from factory.django import DjangoModelFactory
from factory.random import randgen

from chat.models import Membership, Message, Reaction, Revision, Room
from chat.models.slugs import unguessable_slug
from chat.moderation.moderators import moderators
from core.models import User

T = TypeVar("T", bound=Model)


def _repeatable_uuid() -> UUID:
    return UUID(int=randgen.getrandbits(128), version=4)


class Numbered(DjangoModelFactory[T]):
    """Goes on after the rows that there are: a second shell must not begin at 0 again."""

    class Meta:
        abstract = True

    @classmethod
    def _setup_next_sequence(cls) -> int:
        try:
            newest = cls._meta.model.objects.order_by("pk").last()
        except (DatabaseError, RuntimeError):  # `build()` needs no database, and has none in tests
            return 0
        return newest.pk if newest else 0


class UserFactory(Numbered[User]):
    """A member who cannot sign in with a password, unless one is given: hashing is slow.

    Traits: `guest`, `staff` (a moderator with admin access), `bot`.
    """

    class Meta:
        model = User
        skip_postgeneration_save = True

    class Params:
        guest = factory.Trait(
            username=factory.Sequence(lambda n: f"guest-{n}"),
            display_name=factory.Sequence(lambda n: f"Guest {n}"),
            is_guest=True,
        )
        staff = factory.Trait(username=factory.Sequence(lambda n: f"moderator{n}"), is_staff=True)
        bot = factory.Trait(
            username=factory.Sequence(lambda n: f"bot{n}"),
            display_name=factory.Sequence(lambda n: f"Bot {n}"),
        )

    username = factory.Sequence(lambda n: f"user{n}")
    display_name = factory.Faker("name")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")
    password = factory.django.Password(None)

    @factory.post_generation
    def join_moderators(user: User, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create and user.is_staff and extracted is not False:
            user.groups.add(moderators())


class RoomFactory(Numbered[Room]):
    """An open room. Traits: `private`, `direct` (with its pair as members), `archived`, `slow`.

    The two of a direct room may be given in any order.
    """

    class Meta:
        model = Room
        skip_postgeneration_save = True

    class Params:
        private = factory.Trait(
            kind=Room.Kind.PRIVATE,
            slug=factory.LazyFunction(lambda: unguessable_slug(Room.Kind.PRIVATE)),
        )
        direct = factory.Trait(
            kind=Room.Kind.DIRECT,
            slug=factory.LazyFunction(lambda: unguessable_slug(Room.Kind.DIRECT)),
            title="",
            direct_low=factory.SubFactory(UserFactory),
            direct_high=factory.SubFactory(UserFactory),
        )
        archived = factory.Trait(is_archived=True)
        slow = factory.Trait(slow_mode_seconds=30)

    slug = factory.Sequence(lambda n: f"room-{n}")
    title = factory.Faker("city")
    topic = factory.Faker("catch_phrase")

    @classmethod
    def _adjust_kwargs(cls, **kwargs: Any) -> dict[str, Any]:
        low, high = kwargs.get("direct_low"), kwargs.get("direct_high")
        if low and high and low.pk and high.pk and low.pk > high.pk:
            kwargs["direct_low"], kwargs["direct_high"] = high, low
        return kwargs

    @factory.post_generation
    def pair_joins(room: Room, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create and room.kind == Room.Kind.DIRECT:
            pair = User.objects.filter(pk__in=[room.direct_low_id, room.direct_high_id])
            Membership.objects.bulk_create(Membership(room=room, user=user) for user in pair)


class MembershipFactory(DjangoModelFactory[Membership]):
    """A member of an open room, who has what was said before as read; traits: `moderator`,
    `owner`, and `unread`, for one who was there and has read nothing yet."""

    class Meta:
        model = Membership

    class Params:
        moderator = factory.Trait(role=Membership.Role.MODERATOR)
        owner = factory.Trait(role=Membership.Role.OWNER)
        unread = factory.Trait(read_seq=0)

    room = factory.SubFactory(RoomFactory)
    user = factory.SubFactory(UserFactory)

    @classmethod
    def _build(cls, model_class: type[Membership], *args: Any, **kwargs: Any) -> Membership:
        kwargs.setdefault("read_seq", kwargs["room"].message_count)  # as the database does
        return super()._build(model_class, *args, **kwargs)


class MessageFactory(DjangoModelFactory[Message]):
    """A message at the end of its room. Traits: `reply`, `action`, `notice`, `bot`.

    What comes after the post, each with its own place in the log and in this order:
    `edited` (True, or the text before), `reacted` (True, or an emoji), `deleted` (True, or who).
    """

    class Meta:
        model = Message
        skip_postgeneration_save = True

    class Params:
        reply = factory.Trait(
            reply_to=factory.SubFactory(
                "chat.factories.MessageFactory", room=factory.SelfAttribute("..room")
            )
        )
        action = factory.Trait(kind=Message.Kind.ACTION, body="waves")
        notice = factory.Trait(kind=Message.Kind.NOTICE, body="joined")
        bot = factory.Trait(kind=Message.Kind.BOT, author=factory.SubFactory(UserFactory, bot=True))

    room = factory.SubFactory(RoomFactory)
    author = factory.SubFactory(UserFactory)
    body = factory.Faker("sentence")
    client_id = factory.LazyFunction(_repeatable_uuid)
    created_at = factory.LazyFunction(timezone.now)

    @classmethod
    def _create(cls, model_class: type[Message], *args: Any, **kwargs: Any) -> Message:
        _refuse_places(kwargs)
        with transaction.atomic():
            kwargs["seq"], kwargs["pos"] = kwargs["room"].reserve(messages=1)
            return super()._create(model_class, *args, **kwargs)

    @classmethod
    def _build(cls, model_class: type[Message], *args: Any, **kwargs: Any) -> Message:
        _refuse_places(kwargs)
        room = kwargs["room"]
        room.message_count += 1
        room.head += 1
        return super()._build(model_class, *args, **kwargs, seq=room.message_count, pos=room.head)

    @factory.post_generation
    def edited(message: Message, create: bool, before: Any, **kwargs: Any) -> None:
        if before:
            text = before if isinstance(before, str) else f"{message.body} (before)"
            _change(message, create, edited_at=timezone.now())
            if create:
                _keep(message, Revision.Kind.EDIT, text, message.author)

    @factory.post_generation
    def reacted(message: Message, create: bool, emoji: Any, **kwargs: Any) -> None:
        if emoji:
            _change(message, create)
            if create:
                Reaction.objects.create(
                    message=message,
                    user=UserFactory(),
                    emoji=emoji if isinstance(emoji, str) else "👍",
                )

    @factory.post_generation
    def deleted(message: Message, create: bool, by: Any, **kwargs: Any) -> None:
        if by:
            who = by if isinstance(by, User) else message.author
            body = message.body
            _change(message, create, body="", deleted_at=timezone.now(), deleted_by=who)
            if create:
                _keep(message, Revision.Kind.DELETE, body, who)


def _refuse_places(kwargs: dict[str, Any]) -> None:
    if "seq" in kwargs or "pos" in kwargs:
        raise TypeError("seq and pos are the room's to give; leave them out.")


def _change(message: Message, create: bool, **fields: Any) -> None:
    """Change the message; the change takes the room's next `pos`, `seq` stays."""
    for name, value in fields.items():
        setattr(message, name, value)
    if not create:
        message.room.head += 1
        message.pos = message.room.head
        return
    with transaction.atomic():
        _, message.pos = message.room.reserve(changes=1)
        message.save(update_fields=["pos", *fields])


def _keep(message: Message, kind: Revision.Kind, body: str, by: User) -> None:
    Revision.objects.create(message=message, kind=kind, body=body, by=by)
