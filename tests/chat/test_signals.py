"""What was changed elsewhere reaches open sockets, in every process."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import httpx
import pytest
import websockets

from chat.live.bus import LAYER_TIMEOUT
from chat.live.revocations import GATHER
from tests.conftest import StartServer
from tests.support.servers import ChatServer
from tests.support.sockets import RedisServer

ENV = {"PRESENCE_GRACE_SECONDS": "0.2"}


SignIn = Callable[[ChatServer, str], httpx.Client]


@pytest.fixture
def signed_in() -> Iterator[SignIn]:
    with ExitStack() as stack:

        def enter(server: ChatServer, name: str) -> httpx.Client:
            client = httpx.Client(base_url=server.url, follow_redirects=True)
            return _sign_in(stack.enter_context(client), name)

        yield enter


def _sign_in(client: httpx.Client, name: str) -> httpx.Client:
    client.get("/accounts/sign-in/")
    form = {"username": name, "password": "demo", "csrfmiddlewaretoken": token(client)}
    assert client.post("/accounts/sign-in/", data=form).status_code == 200
    assert key(client)
    return client


def token(client: httpx.Client) -> str:
    (value,) = (value for name, value in client.cookies.items() if "_csrf" in name)
    return value


def key(client: httpx.Client) -> str:
    (value,) = (value for name, value in client.cookies.items() if "_session" in name)
    return value


async def closed_by(server: ChatServer, room: str, client: httpx.Client, what: object) -> int:
    """The code that the socket is closed with once `what` was done; 0: it stayed open."""
    url = f"{server.ws_url}/ws/chat/{room}/?since="
    cookie = {"Cookie": f"{server.cookie()}={key(client)}"}
    async with websockets.connect(url, additional_headers=cookie) as socket:
        while json.loads(await asyncio.wait_for(socket.recv(), 10))["type"] != "presence.state":
            pass
        # The check of newcomers, which nothing shows, finds out too, and closes with its own code.
        await asyncio.sleep(5 * GATHER)
        await asyncio.to_thread(what)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(5):
                async for _ in socket:
                    pass
        except websockets.ConnectionClosedError:
            pass
        except TimeoutError:
            return 0
        return socket.close_code or 0


@pytest.fixture
def two(start_server: StartServer) -> tuple[ChatServer, ChatServer]:
    first = start_server(env=ENV)
    return first, start_server(env=ENV, beside=first)


def test_signing_out_closes_the_sockets_of_that_session(
    signed_in: SignIn, two: tuple[ChatServer, ChatServer]
) -> None:
    first, second = two
    client = signed_in(first, "alice")

    def sign_out() -> None:
        form = {"csrfmiddlewaretoken": token(client)}
        client.post("/accounts/sign-out/", data=form)

    assert asyncio.run(closed_by(second, "lobby", client, sign_out)) == 4401


def test_signing_out_elsewhere_leaves_other_sessions_alone(
    signed_in: SignIn, two: tuple[ChatServer, ChatServer]
) -> None:
    first, second = two
    client, elsewhere = signed_in(first, "alice"), signed_in(first, "alice")

    def sign_out() -> None:
        form = {"csrfmiddlewaretoken": token(elsewhere)}
        elsewhere.post("/accounts/sign-out/", data=form)

    assert asyncio.run(closed_by(second, "lobby", client, sign_out)) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("Sanction.objects.create(user=bob, kind='ban', room=lobby)", 4403),
        ("Sanction.objects.create(user=bob, kind='ban')", 4403),
        ("Sanction.objects.create(user=bob, kind='mute')", 0),
        ("Sanction.objects.create(user=bob, kind='ban', until='2020-01-01T00:00:00Z')", 0),
    ],
)
def test_a_ban_closes_the_sockets_of_the_banned(
    signed_in: SignIn, start_server: StartServer, change: str, code: int
) -> None:
    server = start_server(env=ENV)
    client = signed_in(server, "bob")
    lines = [
        "from datetime import datetime",
        "from chat.models import Room, Sanction",
        "from core.models import User",
        "bob = User.objects.get(username='bob')",
        "lobby = Room.objects.get(slug='lobby')",
        change.replace("'2020-01-01T00:00:00Z'", "datetime.fromisoformat('2020-01-01T00:00:00Z')"),
    ]

    def ban() -> None:
        server.manage("shell", "-c", "\n".join(lines))

    assert asyncio.run(closed_by(server, "lobby", client, ban)) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("bob.is_active = False", 4401),
        ("bob.set_password('another one')", 1000),  # who has a newer session comes back with it
        ("bob.display_name = 'Bobby'", 0),
    ],
)
def test_a_closed_account_and_a_new_password_close_its_sockets(
    signed_in: SignIn, start_server: StartServer, change: str, code: int
) -> None:
    server = start_server(env=ENV)
    client = signed_in(server, "bob")
    lines = ["from core.models import User", "bob = User.objects.get(username='bob')"]
    lines += [change, "bob.save()"]

    def save() -> None:
        server.manage("shell", "-c", "\n".join(lines))

    assert asyncio.run(closed_by(server, "lobby", client, save)) == code


SIGN_UP = {"username": "dora", "password1": "a long secret", "password2": "a long secret"}


@pytest.mark.parametrize(
    ("page", "form"),
    [("sign-up", SIGN_UP), ("sign-in", {"username": "alice", "password": "demo"})],
)
def test_a_guests_sockets_come_back_as_who_they_became_and_hear_of_the_sign_out(
    two: tuple[ChatServer, ChatServer], page: str, form: dict[str, str]
) -> None:
    first, second = two
    with httpx.Client(base_url=first.url, follow_redirects=True) as client:
        client.get("/chat/lobby/")

        def post(page: str, **fields: str) -> None:
            client.get("/accounts/sign-up/")
            fields["csrfmiddlewaretoken"] = token(client)
            assert client.post(f"/accounts/{page}/", data=fields).status_code == 200

        become = closed_by(second, "lobby", client, lambda: post(page, **form))
        assert asyncio.run(become) == 1000
        leave = closed_by(second, "lobby", client, lambda: post("sign-out"))
        assert asyncio.run(leave) == 4401


def test_a_sign_out_does_not_wait_long_for_a_redis_that_has_stopped(
    signed_in: SignIn, start_server: StartServer, redis_server: RedisServer
) -> None:
    server = start_server(env=ENV | {"REDIS_URL": redis_server.url})
    client = signed_in(server, "alice")
    redis_server.signal(signal.SIGSTOP)
    try:
        before = time.monotonic()
        form = {"csrfmiddlewaretoken": token(client)}
        answer = client.post("/accounts/sign-out/", data=form, follow_redirects=False, timeout=60)
        took = time.monotonic() - before
    finally:
        redis_server.signal(signal.SIGCONT)
    assert answer.status_code == 302
    assert took < 2 * LAYER_TIMEOUT + 2  # the sign-out is told, and the end of the session


def test_a_rooms_new_title_and_archive_are_shown_in_every_process_and_to_who_comes_later(
    two: tuple[ChatServer, ChatServer],
) -> None:
    room = "from chat.models import Room; room = Room.objects.get(slug='lobby'); "
    change = "room.topic = 'Be kind'; room.is_archived = True; room.save()"

    async def watch() -> None:
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    websockets.connect(f"{one.ws_url}/ws/chat/lobby/?since=")
                )
                for one in two
            ]
            for socket in sockets:
                await frame(socket, "presence.state")
            await asyncio.to_thread(two[0].manage, "shell", "-c", room + change)
            for socket in sockets:
                shown = (await frame(socket, "room.updated"))["room"]
                assert (shown["topic"], shown["archived"]) == ("Be kind", True)
                await socket.send('{"type": "chat.history", "ref": 1}')
                assert (await frame(socket, "chat.history"))["room"] == shown

    asyncio.run(watch())


def test_a_new_name_is_shown_in_every_process_and_to_its_owner(
    two: tuple[ChatServer, ChatServer], signed_in: SignIn
) -> None:
    own = {"Cookie": f"{two[0].cookie()}={key(signed_in(two[0], 'bob'))}"}
    rename = "from core.models import User; bob = User.objects.get(username='bob'); "
    rename += "bob.display_name = 'Robert'; bob.save()"

    def names(state: dict[str, Any]) -> set[str]:
        return {user["name"] for user in state["users"]}

    async def watch() -> None:
        async with AsyncExitStack() as stack:

            async def come(to: ChatServer, **options: Any) -> websockets.ClientConnection:
                url = f"{to.ws_url}/ws/chat/lobby/?since="
                return await stack.enter_async_context(websockets.connect(url, **options))

            bob = await come(two[0], additional_headers=own)
            assert (await frame(bob, "chat.history"))["you"]["name"] != "Robert"
            others = [await come(one) for one in two]
            await asyncio.to_thread(two[0].manage, "shell", "-c", rename)
            for other in others:
                while "Robert" not in names(await frame(other, "presence.state")):
                    pass
            await bob.send('{"type": "chat.history", "ref": 1}')
            assert (await frame(bob, "chat.history"))["you"]["name"] == "Robert"

    asyncio.run(watch())


async def frame(socket: websockets.ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if found["type"] == kind:
            return found
