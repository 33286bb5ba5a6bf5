"""Who may: the same people, put to every way into a room. One table, whoever judges."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.log.apply import apply
from chat.log.write import ReadTo, Write
from chat.models import Membership, Message, Room, Sanction
from chat.protocol.changes import Change
from chat.protocol.commands import Command, Delete, Edit, Post, React, Read
from chat.protocol.errors import Refused, Rejected
from chat.rooms import admission, lists
from chat.rooms.permissions import Known, changed
from core.accounts.identity import claim_of, sign_of
from core.models import User
from tests.support.sockets import session_of

pytestmark = pytest.mark.django_db

ADDRESS = "192.0.2.1"


class Place(NamedTuple):
    """A room, somebody in it or not, a message of theirs and one of another's."""

    room: Room
    person: User
    own: Message
    other: Message
    was_member: bool
    session: str


# -- the ways --------------------------------------------------------------------------------


def page(at: Place) -> str:
    answer = _browser(at).get(f"/chat/{at.room.slug}/")
    if answer.status_code == 302:
        return "sign-in" if "sign-in" in answer["Location"] else answer["Location"]
    return {200: "yes", 404: "no"}[answer.status_code]


def listed(at: Place) -> str:
    rooms = [*lists.rooms_of(at.person), *lists.rooms_beside(at.person)]
    return "yes" if at.room.pk in {line.pk for line in rooms} else "no"


def found(at: Place) -> str:
    lines = lists.found_by_name(at.room.title, at.person)
    return "yes" if at.room.pk in {line.pk for line in lines} else "no"


def enter(at: Place) -> str:
    """Over a socket: what the person may do there, or the code that it is closed with."""
    cookie = f"{settings.SESSION_COOKIE_NAME}={at.session}".encode()
    claim = claim_of({"headers": [(b"cookie", cookie)]})
    try:
        let_in = None if claim is None else admission.enter(claim, at.room.slug, ADDRESS)
    except Rejected as rejected:
        return str(int(rejected.code))
    if let_in is None:
        return "sign-in"
    return {(): "read", ("post", "react"): "write"}.get(tuple(let_in.can), "all")


def recheck(at: Place) -> str:
    """As an open socket that came in before all this: why it is closed, or what is new to it."""
    known = Known(
        person=at.person.pk,
        room=at.room.pk,
        session=at.session,
        password=sign_of(at.person),
        invisible=False,
        muted=False,
        member=at.was_member,
    )
    rows = changed([known])
    if not rows:
        return "stays"
    ((_, revocation, _, is_muted, _),) = rows
    return revocation or ("muted" if is_muted else "stays")


def post(at: Place) -> str:
    return _apply(at, Post(message="hello", client_id=uuid4()))


def reply(at: Place) -> str:
    return _apply(at, Post(message="hello", client_id=uuid4(), reply_to=at.other.pk))


def edit_own(at: Place) -> str:
    return _apply(at, Edit(id=at.own.pk, message="another"))


def edit_other(at: Place) -> str:
    return _apply(at, Edit(id=at.other.pk, message="another"))


def delete_own(at: Place) -> str:
    return _apply(at, Delete(id=at.own.pk))


def delete_other(at: Place) -> str:
    return _apply(at, Delete(id=at.other.pk))


def react(at: Place) -> str:
    return _apply(at, React(id=at.other.pk, emoji="👍"))


def read(at: Place) -> str:
    """A read position of somebody who is no member stays 0."""
    outcome = _outcome(at, Read(seq=1), joins=not at.was_member)
    assert isinstance(outcome, ReadTo)
    return "yes" if outcome.seq else "no"


def admin(at: Place) -> str:
    answer = _browser(at).get(f"/admin/chat/room/{at.room.pk}/change/")
    return {200: "yes", 302: "sign-in", 403: "no"}[answer.status_code]


def _apply(at: Place, command: Command) -> str:
    outcome = _outcome(at, command)
    if isinstance(outcome, Refused):
        return "no" if outcome.code == "forbidden" else outcome.code
    assert isinstance(outcome, Change)
    return "yes"


def _outcome(at: Place, command: Command, joins: bool = False) -> Any:
    (outcome,) = apply([Write(at.room.pk, at.person.pk, command, joins)])
    return outcome


def _browser(at: Place) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = at.session
    return client


# -- the people ------------------------------------------------------------------------------


def joined(role: str = "member") -> Callable[[Room], User]:
    def make(room: Room) -> User:
        return MembershipFactory(room=room, role=role).user

    return make


def sanctioned(kind: str, *, everywhere: bool = False) -> Callable[[Room], User]:
    """Past the signals: what is told to open sockets is another test's."""

    def make(room: Room) -> User:
        person = joined()(room)
        Sanction.objects.bulk_create(
            [Sanction(user=person, room=None if everywhere else room, kind=kind)]
        )
        return person

    return make


PEOPLE: dict[str, Callable[[Room], User]] = {
    "owner": joined("owner"),
    "moderator": joined("moderator"),
    "member": joined(),
    "outsider": lambda room: UserFactory(),
    "guest": lambda room: UserFactory(guest=True),
    "muted": sanctioned("mute"),
    "muted-everywhere": sanctioned("mute", everywhere=True),
    "banned": sanctioned("ban"),
    "banned-everywhere": sanctioned("ban", everywhere=True),
    "closed": joined(),
    "signed-out": joined(),
    "staff": lambda room: UserFactory(staff=True),
}
ROOMS: dict[str, dict[str, bool]] = {
    "open": {},
    "private": {"private": True},
    "archived": {"archived": True},
}


@pytest.fixture
def place(request: pytest.FixtureRequest, settings: Any) -> Place:
    kind, who = request.param
    settings.CHAT_GUESTS = False  # else whoever is signed out would become one
    room = RoomFactory(**ROOMS[kind])
    other = MessageFactory(room=room)
    person = PEOPLE[who](room)
    at = Place(
        room=room,
        person=person,
        own=MessageFactory(room=room, author=person),
        other=other,
        was_member=Membership.objects.filter(room=room, user=person).exists(),
        session=session_of(person),
    )
    if who == "closed":
        User.objects.filter(pk=person.pk).update(is_active=False)
    if who == "signed-out":
        Session.objects.all().delete()
    return at


WAYS: dict[str, Callable[[Place], str]] = {
    way.__name__: way
    for way in (
        *(page, listed, found, enter, recheck, read, post, reply),
        *(edit_own, edit_other, delete_own, delete_other, react, admin),
    )
}
# What is written asks for no session: that is the socket's, when it comes and in each re-check.
HEADINGS, *ROWS = map(str.split, Path(__file__).with_name("matrix.txt").read_text().splitlines())


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param(
            (kind, who), dict(zip(HEADINGS[2:], expected, strict=True)), id=f"{kind}-{who}"
        )
        for kind, who, *expected in ROWS
    ],
    indirect=["place"],
)
def test_every_way_judges_alike(place: Place, expected: dict[str, str]) -> None:
    judged = {}
    for name, way in WAYS.items():
        with transaction.atomic():
            judged[name] = way(place)
            transaction.set_rollback(True)  # each way finds all as it was
    assert judged == expected


def test_everybody_is_put_to_every_room() -> None:
    assert {(kind, who) for kind, who, *_ in ROWS} == set(product(ROOMS, PEOPLE))
