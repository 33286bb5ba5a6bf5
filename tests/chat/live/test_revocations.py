"""What signals do not reach: the rights that sockets rest on are asked again, for all at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.live import revocations
from chat.live.revocations import Revocations
from chat.models import Membership, Room, Sanction
from chat.protocol.changes import Person
from chat.rooms.permissions import Known, changed
from core.accounts.identity import sign_of
from core.models import User
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, cast_of, person_of, session_of, wait_until

Enter = Callable[..., Client]


def known(user: User, room: Room, **other: Any) -> Known:
    """What a connection of theirs rests on."""
    known = Known(user.pk, room.pk, session_of(user), sign_of(user), False, False, True)
    return known._replace(**other)


def ban(user: User, room: Room | None, **fields: Any) -> None:
    """Past the signals."""
    Sanction.objects.bulk_create([Sanction(user=user, room=room, kind="ban", **fields)])


def deactivate(one: Membership) -> None:
    User.objects.filter(pk=one.user_id).update(is_active=False)


def change_password(one: Membership) -> None:
    one.user.set_password("another one")
    User.objects.filter(pk=one.user_id).update(password=one.user.password)


def expire(one: Membership) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def remove(one: Membership) -> None:
    """Without the signal of it."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM chat_membership WHERE id = %s", [one.pk])


CHANGES: dict[str, tuple[Callable[[Membership], object], str | None]] = {
    "nothing": (lambda one: None, None),
    "deactivated": (deactivate, "DEACTIVATED"),
    "gone": (lambda one: (remove(one), one.user.delete()), "DEACTIVATED"),
    "another password": (change_password, "COME_BACK"),
    "signed out": (lambda one: Session.objects.all().delete(), "SIGNED_OUT"),
    "session over": (expire, "SIGNED_OUT"),
    "banned here": (lambda one: ban(one.user, one.room), "BANNED"),
    "banned everywhere": (lambda one: ban(one.user, None), "BANNED"),
    "banned elsewhere": (lambda one: ban(one.user, RoomFactory()), None),
    "ban is over": (lambda one: ban(one.user, one.room, until=timezone.now() - timedelta(1)), None),
    "muted": (lambda one: Sanction.objects.create(user=one.user, kind="mute"), None),
    "removed": (remove, "REMOVED"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", CHANGES)
def test_what_has_changed_is_found(what: str) -> None:
    change, revocation = CHANGES[what]
    one = MembershipFactory(room=RoomFactory(private=True), user=UserFactory(password="a password"))
    other = MembershipFactory(room=one.room)
    connections = [known(other.user, other.room, session=None), known(one.user, one.room)]
    change(one)
    found = [(place, verdict) for place, verdict, *_ in changed(connections) if verdict]
    assert found == ([] if revocation is None else [(1, revocation)])


@pytest.mark.django_db
def test_an_open_room_needs_no_membership_and_a_guest_without_a_session_no_session() -> None:
    one = MembershipFactory()
    connections = [known(one.user, one.room), known(one.user, one.room, session=None)]
    remove(one)
    Session.objects.all().delete()
    assert [place for place, *_ in changed(connections)] == [0]
    Room.objects.update(kind="private")
    assert {verdict for _, verdict, *_ in changed(connections)} == {"SIGNED_OUT", "REMOVED"}


@pytest.mark.django_db
def test_who_was_no_member_was_not_removed_from_a_room_that_is_private_now() -> None:
    room, user = RoomFactory(), UserFactory()
    connections = [known(user, room, member=False)]
    assert changed(connections) == []
    Room.objects.filter(pk=room.pk).update(kind="private")
    assert [(place, verdict) for place, verdict, *_ in changed(connections)] == [(0, "COME_BACK")]


@pytest.mark.django_db
def test_who_has_become_a_member_elsewhere_is_found() -> None:
    one = MembershipFactory()
    connections = [known(one.user, one.room, member=False)]
    assert changed(connections) == [(0, None, False, False, True)]


@pytest.mark.django_db
def test_who_is_in_a_room_that_is_gone_comes_back_to_its_address_and_was_not_removed() -> None:
    one, other = MembershipFactory(), MembershipFactory()
    connections = [known(one.user, one.room), known(other.user, other.room)]
    one.room.delete()
    assert [(place, verdict) for place, verdict, *_ in changed(connections)] == [(0, "COME_BACK")]


@pytest.mark.django_db
def test_one_statement_serves_any_number_and_tells_who_wants_to_be_seen_and_may_write() -> None:
    people = [MembershipFactory() for _ in range(5)]
    connections = [known(one.user, one.room) for one in people]
    User.objects.filter(pk=people[2].user_id).update(is_invisible=True)
    Sanction.objects.bulk_create([Sanction(user=people[3].user, kind="mute")])
    with CaptureQueriesContext(connection) as queries:
        found = sorted(changed(connections))  # the statement names no order
        assert found == [(2, None, True, False, True), (3, None, False, True, True)]
    assert len(queries) <= 1


async def test_who_comes_together_is_checked_together_and_everybody_again_while_they_are_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revocations, "GATHER", 0.01)
    monkeypatch.setattr(revocations, "EVERY", 0.1)
    checks: list[list[Any]] = []

    def fake(held: list[Any]) -> list[Any]:
        checks.append(list(held))
        return []

    monkeypatch.setattr(revocations, "changed", fake)
    here = [Newcomer(n) for n in range(100)]
    asked = Revocations(here, lambda *_: None)  # type: ignore[arg-type]
    for one in here:
        asked.check_soon(one)  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    assert [len(check) for check in checks] == [100]
    await asyncio.sleep(0.25)
    assert [len(check) for check in checks[1:]] == [100] * (len(checks) - 1)
    assert len(checks) in (2, 3, 4)
    here.clear()
    await asyncio.sleep(0.15)
    seen = len(checks)
    await asyncio.sleep(0.25)
    assert len(checks) == seen  # no timer without anybody


class Newcomer:
    def __init__(self, number: int) -> None:
        self.user = Person(number, f"name {number}")
        self.room_id = 1
        self.session, self.password = None, ""
        self.is_closing = self.is_invisible = self.is_muted = self.is_member = False


# -- with a server ----------------------------------------------------------------------------


def test_a_ban_that_falls_while_somebody_comes_in_reaches_them(
    chat: ChatServer, chat_database: str
) -> None:
    """The tests' Redis is not the server's: no signal reaches it."""
    cast = cast_of()
    session = session_of(cast.member)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE chat_message IN ACCESS EXCLUSIVE MODE")
        client = Client(chat, cast.room, session=session)
        wait_until(someone_waits, "nobody waits")
        ban(cast.member, cast.room)
    with client:
        client.until("chat.history")
        assert client.close_code(5) == 4403


def someone_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE relation = 'chat_message'::regclass AND NOT granted"
        )
        return cursor.fetchone() is not None


def test_whatever_changes_unheard_reaches_open_sockets_in_the_end(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    private = cast_of(private=True)
    codes = {"deactivated": 4401, "another password": 1000, "banned here": 4403, "removed": 4403}
    people = {what: MembershipFactory(room=private.room) for what in codes}
    clients = {what: enter(chat, one.room, one.user) for what, one in people.items()}
    signed_out = session_of(cast.member)
    clients["signed out"], codes["signed out"] = enter(chat, cast.room, session=signed_out), 4401
    watcher, hidden = (enter(chat, cast.room, one) for one in (cast.owner, cast.moderator))
    watcher.had("presence.joined", user=person_of(cast.moderator))
    for what, one in people.items():
        CHANGES[what][0](one)
    Session.objects.filter(pk=signed_out).delete()
    User.objects.filter(pk=cast.moderator.pk).update(is_invisible=True)
    assert {
        what: client.close_code(revocations.EVERY + 5) for what, client in clients.items()
    } == codes
    watcher.had("presence.left", user=person_of(cast.moderator))
    assert hidden.asks(type="ping")["type"] == "pong"
