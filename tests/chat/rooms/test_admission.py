"""Who gets into a room over a socket, as what; forbidden and absent look alike."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.models import Membership, Room, Sanction
from core.models import User
from tests.conftest import StartServer
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, Frame, cast_of, person_of, session_of

Enter = Callable[..., Client]


def turned(server: ChatServer, room: Room | str, user: User | None = None, **options: Any) -> Any:
    """The close code, and what was shown before."""
    with Client(server, room, user, **options) as client:
        code = client.close_code()
    shown = [(frame["type"], frame.get("detail")) for frame in client.frames]
    return code, shown


def you(client: Client) -> Frame:
    shown: Frame = client.frames[0]["you"]
    return shown


def test_the_private_room_of_others_looks_like_one_that_cannot_be(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    private = cast_of(private=True)
    enter(chat, private.room, private.member)
    refused = turned(chat, private.room, private.outsider)
    absent = turned(chat, "-no-such-room-", private.outsider)
    assert refused == absent
    assert refused[0] == 4404
    assert not Membership.objects.filter(room=private.room, user=private.outsider).exists()


def test_a_direct_room_is_for_its_two(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    room = RoomFactory(direct=True)
    enter(chat, room, room.direct_low)
    enter(chat, room, room.direct_high)
    assert turned(chat, room, cast.outsider)[0] == 4404


def test_nobody_finds_a_direct_room_or_takes_the_place_of_one(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    room = RoomFactory(direct=True)
    assert len(room.slug) == len("direct--") + 16
    slugs = (room.slug, "direct--8")
    refused, absent = (turned(chat, slug, cast.outsider) for slug in slugs)
    assert refused == absent
    assert refused[0] == 4404
    assert not Room.objects.filter(slug="direct--8").exists()
    # one that was made at an address of before stays where it is
    Room.objects.filter(pk=room.pk).update(slug=f"direct-{room.direct_low_id}-{room.pk}")
    room.refresh_from_db()
    enter(chat, room, room.direct_low)


def test_who_is_banned_here_is_turned_away_and_from_other_rooms_is_not(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    assert turned(chat, cast.room, cast.banned)[0] == 4403
    enter(chat, RoomFactory(), cast.banned)


def test_who_is_banned_from_the_site_gets_into_no_room_and_makes_none(
    chat: ChatServer, cast: Cast
) -> None:
    Sanction.objects.create(user=cast.member, kind="ban")
    assert turned(chat, cast.room, cast.member)[0] == 4403
    assert turned(chat, "a-room-of-the-banned", cast.member)[0] == 4404
    assert not Room.objects.filter(slug="a-room-of-the-banned").exists()


def test_the_banned_outsider_of_a_private_room_cannot_tell_that_it_exists(
    chat: ChatServer,
) -> None:
    private = cast_of(private=True)
    Sanction.objects.create(user=private.outsider, room=private.room, kind="ban")
    assert turned(chat, private.room, private.outsider)[0] == 4404


def test_a_ban_that_is_over_keeps_nobody_out(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    Sanction.objects.filter(user=cast.banned).update(until=timezone.now() - timedelta(seconds=1))
    enter(chat, cast.room, cast.banned)


def test_an_open_room_comes_into_being_when_somebody_enters_it(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    client = enter(chat, "öffentlich-室", cast.member)
    room = Room.objects.get(slug="öffentlich-室")
    assert room.kind == "open"
    assert client.frames[0]["room"]["slug"] == "öffentlich-室"
    assert not room.memberships.exists()  # not before somebody says something
    client.say("hello")
    assert Membership.objects.filter(room=room, user=cast.member).count() == 1


@pytest.mark.parametrize("slug", ["x" * 81, "Shouting", "--", "_"])
def test_a_room_whose_name_cannot_be_is_not_made(chat: ChatServer, cast: Cast, slug: str) -> None:
    assert turned(chat, slug, cast.member)[0] == 4404
    assert not Room.objects.filter(slug=slug).exists()


@pytest.mark.parametrize("path", ["a b", "lobby/more", "%00", "a.b"])
def test_an_address_that_is_none_is_closed_with_4404(
    chat: ChatServer, cast: Cast, path: str
) -> None:
    assert turned(chat, path, cast.member)[0] == 4404


def test_each_is_told_who_they_are_and_what_they_may_do(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    Sanction.objects.create(user=cast.owner, room=cast.room, kind="mute")
    Sanction.objects.create(user=cast.outsider, kind="mute")
    shown = {
        name: you(enter(chat, cast.room, getattr(cast, name)))
        for name in ("owner", "member", "outsider", "moderator")
    }
    assert shown["member"] == {
        **person_of(cast.member),
        "role": "member",
        "guest": False,
        "can": ["post", "react"],
    }
    assert (shown["moderator"]["role"], shown["moderator"]["can"]) == (
        "moderator",
        ["post", "react", "moderate"],
    )
    assert (shown["owner"]["role"], shown["owner"]["can"]) == ("owner", ["moderate"])
    assert (shown["outsider"]["role"], shown["outsider"]["can"]) == ("member", [])


def test_an_archived_room_can_be_read_and_says_so(
    chat: ChatServer, enter: Enter, cast: Cast
) -> None:
    room = RoomFactory(archived=True)
    client = enter(chat, room, cast.member)
    assert client.frames[0]["room"]["archived"] is True
    client.send(message="too late", ref=1)
    assert client.until("error", ref=1)["code"] == "archived"


def test_a_visitor_is_a_guest_with_a_name_where_guests_are_welcome(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    client = enter(chat, cast.room)
    assert you(client)["guest"] is True
    assert you(client)["name"].startswith("Guest ")
    assert User.objects.get(pk=you(client)["id"]).is_guest


def test_a_visitor_is_asked_to_sign_in_where_guests_are_not_welcome(
    start_server: StartServer, chat_database: str, cast: Cast
) -> None:
    server = start_server(env={"DATABASE_URL": chat_database, "CHAT_GUESTS": "off"})
    before = User.objects.count()
    assert turned(server, cast.room)[0] == 4401
    assert turned(server, cast.room, session="no-such-session")[0] == 4401
    assert User.objects.count() == before
    with Client(server, cast.room, cast.member) as member:
        assert member.next()["type"] == "chat.history"


@pytest.mark.parametrize("how", ["deactivated", "password changed", "signed out", "gone"])
def test_a_session_that_has_ended_is_nobodys(chat: ChatServer, how: str) -> None:
    """Where guests are welcome its bearer is one more guest, and not who they were."""
    user = MembershipFactory(user=UserFactory(password="a password")).user
    session = session_of(user)
    if how == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif how == "password changed":
        user.set_password("another password")
        user.save()
    elif how == "signed out":
        from django.contrib.sessions.models import Session

        Session.objects.filter(pk=session).delete()
    else:
        Membership.objects.filter(user=user).delete()
        user.delete()
    with Client(chat, "lobby", session=session) as client:
        shown = client.next()["you"]
    assert shown["guest"] is True
    assert shown["id"] != user.pk


def test_a_room_page_whose_session_has_ended_is_asked_to_sign_in_and_is_nobody_new(
    chat: ChatServer, cast: Cast
) -> None:
    """As a new guest it would send what the person before has not sent yet."""
    before = User.objects.count()
    for session in (None, "no-such-session"):
        page = {"session": session, "origin": chat.url, "lines": True}
        assert turned(chat, cast.room, **page)[0] == 4401
    assert User.objects.count() == before


def test_a_plain_client_may_say_that_it_comes_from_here_and_is_a_guest(chat: ChatServer) -> None:
    """Some libraries for scripts send an Origin by themselves."""
    with Client(chat, "lobby", origin=chat.url) as client:
        assert client.next()["you"]["guest"] is True


@pytest.mark.parametrize("slug", ["-no-such-room-", "x" * 81])
def test_a_room_that_is_not_for_guests_makes_none(chat: ChatServer, slug: str) -> None:
    private = RoomFactory(private=True)
    before = User.objects.count()
    assert turned(chat, slug)[0] == turned(chat, private)[0] == 4404
    assert User.objects.count() == before


def test_without_a_session_each_connection_is_another_person(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    assert you(enter(chat, cast.room))["id"] != you(enter(chat, cast.room))["id"]


def test_a_session_is_who_it_says(chat: ChatServer, cast: Cast, enter: Enter) -> None:
    assert you(enter(chat, cast.room, session=session_of(cast.member)))["id"] == cast.member.pk
