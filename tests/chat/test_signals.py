"""What was changed elsewhere reaches open sockets, in every process.

It is changed through a page, or in the tests' own process, which is another one of the same chat.
"""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.conf import settings

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.live.bus import LAYER_TIMEOUT
from chat.live.revocations import GATHER
from chat.models import Room, Sanction
from core.models import User
from tests.conftest import StartServer
from tests.support import servers
from tests.support.servers import ChatServer
from tests.support.sockets import Client, ConnectionClosed, RedisServer, person_of, session_of

Two = tuple[ChatServer, ChatServer]


@pytest.fixture(scope="module")
def two(chat_database: str, template_database: str) -> Iterator[Two]:
    env = {"DATABASE_URL": chat_database, "REDIS_URL": settings.REDIS_URL}
    with (
        servers.chat_server(template_database, env=env) as first,
        servers.chat_server(template_database, env=env, beside=first) as second,
    ):
        yield first, second


@pytest.fixture
def room(two: Two) -> Room:
    return RoomFactory()


@pytest.fixture
def bob(two: Two) -> User:
    return UserFactory(username="bob" + str(time.monotonic_ns()))


def browser(server: ChatServer, user: User | None = None) -> httpx.Client:
    cookies = {server.cookie(): session_of(user)} if user else {}
    return httpx.Client(base_url=server.url, follow_redirects=True, cookies=cookies)


def cookie(client: httpx.Client, kind: str) -> str:
    (value,) = (value for name, value in client.cookies.items() if f"_{kind}" in name)
    return value


def post(client: httpx.Client, page: str, **fields: str) -> None:
    client.get("/accounts/sign-up/")
    fields["csrfmiddlewaretoken"] = cookie(client, "csrf")
    assert client.post(f"/accounts/{page}/", data=fields).status_code == 200


def closed_by(server: ChatServer, room: Room, session: str, change: Callable[[], object]) -> int:
    """The code that the socket is closed with once `change` was made; 0: it stays open."""
    witness = UserFactory()
    with (
        Client(server, room, session=session) as client,
        Client(server, room, witness) as other,
    ):
        for one in (client, other):
            one.until("presence.state")
        # The check of newcomers, which nothing shows, finds out too, and closes with its own code.
        time.sleep(5 * GATHER)
        change()
        Sanction.objects.create(user=witness, kind=Sanction.Kind.BAN)
        assert other.close_code() == 4403  # what was told before was heard before
        time.sleep(5 * GATHER)  # some of it leads to another such check
        try:
            client.asks(type="ping")
        except ConnectionClosed:
            return client.close_code() or 0
        return 0


def test_signing_out_closes_the_sockets_of_that_session(two: Two, room: Room, bob: User) -> None:
    first, second = two
    with browser(first, bob) as client:
        session = cookie(client, "session")
        assert closed_by(second, room, session, lambda: post(client, "sign-out")) == 4401


def test_signing_out_elsewhere_leaves_other_sessions_alone(two: Two, room: Room, bob: User) -> None:
    first, second = two
    with browser(first, bob) as elsewhere:
        sign_out = lambda: post(elsewhere, "sign-out")  # noqa: E731
        assert closed_by(second, room, session_of(bob), sign_out) == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "ban", "room": True}, 4403),
        ({"kind": "ban"}, 4403),
        ({"kind": "mute"}, 0),
        ({"kind": "ban", "until": datetime(2020, 1, 1, tzinfo=UTC)}, 0),
    ],
)
def test_a_ban_closes_the_sockets_of_the_banned(
    two: Two, room: Room, bob: User, fields: dict[str, Any], code: int
) -> None:
    def ban() -> None:
        Sanction.objects.create(user=bob, **fields | ({"room": room} if "room" in fields else {}))

    assert closed_by(two[0], room, session_of(bob), ban) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda bob: setattr(bob, "is_active", False), 4401),
        (lambda bob: bob.set_password("another one"), 1000),  # a newer session comes back with it
        (lambda bob: setattr(bob, "display_name", "Bobby"), 0),
    ],
    ids=["closed", "a new password", "a new name"],
)
def test_a_closed_account_and_a_new_password_close_its_sockets(
    two: Two, room: Room, bob: User, change: Callable[[User], object], code: int
) -> None:
    def save() -> None:
        change(bob)
        bob.save()

    assert closed_by(two[0], room, session_of(bob), save) == code


SIGN_UP = {"username": "dora", "password1": "a long secret", "password2": "a long secret"}


@pytest.mark.parametrize(
    ("page", "form"),
    [("sign-up", SIGN_UP), ("sign-in", {"username": "alice", "password": "demo"})],
)
def test_a_guests_sockets_come_back_as_who_they_became_and_hear_of_the_sign_out(
    two: Two, room: Room, page: str, form: dict[str, str]
) -> None:
    first, second = two
    with browser(first) as client:
        client.get(f"/chat/{room.slug}/")

        def closed_after(page: str, **fields: str) -> int:
            session = cookie(client, "session")
            return closed_by(second, room, session, lambda: post(client, page, **fields))

        assert closed_after(page, **form) == 1000
        assert closed_after("sign-out") == 4401


def test_a_sign_out_does_not_wait_long_for_a_redis_that_has_stopped(
    start_server: StartServer, chat_database: str, bob: User, redis_server: RedisServer
) -> None:
    """Takes as long as is waited for Redis, twice."""
    server = start_server(env={"DATABASE_URL": chat_database, "REDIS_URL": redis_server.url})
    with browser(server, bob) as client:
        client.get("/accounts/sign-up/")
        redis_server.signal(signal.SIGSTOP)
        try:
            before = time.monotonic()
            form = {"csrfmiddlewaretoken": cookie(client, "csrf")}
            url = "/accounts/sign-out/"
            answer = client.post(url, data=form, follow_redirects=False, timeout=60)
            took = time.monotonic() - before
        finally:
            redis_server.signal(signal.SIGCONT)
    assert answer.status_code == 302
    assert took < 2 * LAYER_TIMEOUT + 2  # the sign-out is told, and the end of the session


def test_a_rooms_new_title_and_archive_are_shown_in_every_process_and_to_who_comes_later(
    two: Two, room: Room, enter: Callable[..., Client]
) -> None:
    clients = [enter(one, room) for one in two]
    room.topic, room.is_archived = "Be kind", True
    room.save()
    for client in clients:
        shown = client.until("room.updated")["room"]
        assert (shown["topic"], shown["archived"]) == ("Be kind", True)
        assert client.asks(type="chat.history")["room"] == shown


def test_a_new_name_is_shown_in_every_process_and_to_its_owner(
    two: Two, room: Room, bob: User, enter: Callable[..., Client]
) -> None:
    own = enter(two[0], room, bob)
    others = [enter(one, room) for one in two]
    bob.display_name = "Robert"
    bob.save()
    for other in others:
        while "Robert" not in {user["name"] for user in other.until("presence.state")["users"]}:
            pass
    assert own.asks(type="chat.history")["you"]["name"] == "Robert"


def test_a_new_moderator_is_marked_in_every_process_and_for_who_comes_later(
    two: Two, room: Room, bob: User, enter: Callable[..., Client]
) -> None:
    member = MembershipFactory(room=room, user=bob)
    clients = [enter(one, room) for one in two]
    assert "moderators" not in clients[0].asks(type="chat.history")["room"]
    member.role = "moderator"
    member.save()
    for client in clients:
        assert client.until("room.updated")["room"]["moderators"] == [bob.pk]
    assert enter(two[1], room).asks(type="chat.history")["room"]["moderators"] == [bob.pk]
    member.delete()
    for client in clients:
        assert "moderators" not in client.until("room.updated")["room"]


def test_a_new_mark_is_shown_in_every_process(
    two: Two, room: Room, bob: User, enter: Callable[..., Client]
) -> None:
    enter(two[0], room, bob)
    others = [enter(one, room) for one in two]
    bob.is_staff = True
    bob.save()
    for other in others:
        while person_of(bob) not in other.until("presence.state")["users"]:
            pass
    assert person_of(bob)["mark"] == "staff"
