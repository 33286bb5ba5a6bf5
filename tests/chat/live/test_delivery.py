"""Nothing lost, nothing doubled, in order: real processes, real clients, real trouble."""

import asyncio
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from django.db import connection
from redis import OutOfMemoryError, Redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chat.factories import MessageFactory
from chat.models import Message, Room
from core.models import User
from tests.conftest import StartServer
from tests.support.servers import ChatServer
from tests.support.sockets import (
    CHANGES,
    PATIENCE,
    UNLIMITED,
    Cast,
    Client,
    Frame,
    Gate,
    Log,
    RedisServer,
    address,
    cast_of,
    end_backends,
    session_of,
    texts,
    truth,
    wait_until,
)

Enter = Callable[..., Client]
SOME_SECONDS = 3.0  # of load
IDLE_SECONDS = 30.0


@pytest.fixture(scope="module", autouse=True)
def idle(chat: ChatServer, chat_database: str) -> Iterator[tuple[Client, float, Cast]]:
    """A socket that is quiet from the beginning of this file on."""
    cast = cast_of()
    with Client(chat, cast.room, cast.member) as client:
        client.until("presence.state")
        yield client, time.monotonic(), cast


# -- followers --------------------------------------------------------------------------------


class Follower:
    """A client that comes back with its cursor whenever it is cut off, and keeps a Log."""

    def __init__(self, servers: list[ChatServer], room: Room, user: User, *, lines: bool) -> None:
        self.log = Log()
        self.places: list[list[int]] = []  # by connection
        self._servers = servers
        self._room = room
        self._session = session_of(user)
        self._lines = lines
        self._leaving = False

    async def follow(self, rng: random.Random, calm: asyncio.Event, stays: float) -> None:
        """Stay for about `stays` seconds at a time, until it is calm and all was heard."""
        while not self._leaving:
            seconds = PATIENCE if calm.is_set() else rng.uniform(0.02, 2 * stays)
            with suppress(ConnectionClosed, OSError):
                await self._connect(rng.choice(self._servers), seconds, rng.random() < 0.5)

    def leave(self) -> None:
        self._leaving = True

    async def _connect(self, server: ChatServer, seconds: float, abruptly: bool) -> None:
        async with connect(
            address(server, self._room, self.log.cursor),
            additional_headers={"Cookie": f"{server.cookie()}={self._session}"},
            subprotocols=["chat.v1"] if self._lines else None,  # type: ignore[list-item]
            max_size=None,
            max_queue=None,
            proxy=None,
        ) as socket:
            self.log.connected()
            self.places.append([])
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not self._leaving:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(0.1):
                                self._take(await socket.recv())
            if abruptly:
                socket.transport.abort()

    def _take(self, payload: str | bytes) -> None:
        for line in payload.splitlines():
            frame = json.loads(line)
            self.log.take(frame)
            if frame["type"] in CHANGES:
                self.places[-1].append(frame["pos"])


class Actor:
    """Somebody who posts, edits, deletes and reacts, in a hurry."""

    def __init__(self, server: ChatServer, room: Room, user: User) -> None:
        self._address = address(server, room)
        self._cookie = f"{server.cookie()}={session_of(user)}"
        self.confirmed: dict[str, Frame] = {}
        self.mine: list[int] = []
        self.unanswered: dict[str, Frame] = {}

    async def act(self, rng: random.Random, until: asyncio.Event) -> None:
        async with connect(
            self._address,
            additional_headers={"Cookie": self._cookie},
            max_size=None,
            max_queue=None,
            proxy=None,
        ) as socket:
            reading = asyncio.create_task(self._read(socket))
            while not until.is_set():
                command = self._something(rng)
                self.unanswered[command["ref"]] = command
                await socket.send(json.dumps(command))
                await asyncio.sleep(rng.uniform(0, 0.02))
                await self._answered(socket, reading, but=4)
            await self._answered(socket, reading, but=0)
            reading.cancel()

    async def _answered(self, socket: Any, reading: "asyncio.Task[None]", *, but: int) -> None:
        """Wait until all commands `but` so many are answered: all must be, some time."""
        deadline = time.monotonic() + PATIENCE
        while len(self.unanswered) > but:
            assert not reading.done(), f"closed with {socket.close_code}"
            assert time.monotonic() < deadline, f"no answer to {self.unanswered}"
            await asyncio.sleep(0.005)

    def _something(self, rng: random.Random) -> Frame:
        what = rng.choice(["post", "post", "edit", "delete", "react", "react", "unreact"])
        ref = f"{what} {rng.random()}"
        if what == "post" or not self.mine:
            return {"message": f"text of {ref}", "client_id": str(uuid4()), "ref": ref}
        pk = rng.choice(self.mine[-10:])
        if what == "edit":
            return {"type": "chat.edit", "id": pk, "message": f"text of {ref}", "ref": ref}
        if what == "delete":
            return {"type": "chat.delete", "id": pk, "ref": ref}
        return {"type": "chat.react", "id": pk, "emoji": "👍", "on": what == "react", "ref": ref}

    async def _read(self, socket: Any) -> None:
        async for payload in socket:
            frame = json.loads(payload)
            if "ref" not in frame:
                continue
            command = self.unanswered.pop(frame["ref"])
            if "message" in command and "id" not in command:
                self.confirmed[frame["client_id"]] = frame
                self.mine.append(frame["id"])


def run_for_a_while(
    cast: Cast, followers: list[Follower], actors: list[Actor], *, stays: float
) -> None:
    """Followers come and go while the actors act; then all is quiet, and all hear the end."""

    async def run() -> None:
        calm, done = asyncio.Event(), asyncio.Event()
        following = [
            asyncio.create_task(follower.follow(random.Random(n), calm, stays))
            for n, follower in enumerate(followers)
        ]
        acting = [
            asyncio.create_task(actor.act(random.Random(100 + n), done))
            for n, actor in enumerate(actors)
        ]
        await asyncio.sleep(SOME_SECONDS)
        done.set()
        await asyncio.gather(*acting)
        calm.set()
        head = max(frame["pos"] for actor in actors for frame in actor.confirmed.values())
        deadline = time.monotonic() + PATIENCE
        while not all((follower.log.cursor or 0) >= head for follower in followers):
            assert time.monotonic() < deadline, [follower.log.cursor for follower in followers]
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # anything that comes too late or twice comes now
        for follower in followers:
            follower.leave()
        await asyncio.gather(*following)

    asyncio.run(run())


def assert_all_agree(cast: Cast, followers: list[Follower], actors: list[Actor]) -> None:
    expected = truth(cast.room)
    head = Room.objects.get(pk=cast.room.pk).head
    by_client_id = {message["client_id"]: message for message in expected.values()}
    assert len(by_client_id) == len(expected)
    for actor in actors:
        assert actor.confirmed
        for client_id, frame in actor.confirmed.items():
            assert by_client_id[client_id]["seq"] == frame["seq"]
    for follower in followers:
        assert follower.log.cursor == head
        held = follower.log.messages
        assert held == {pk: expected[pk] for pk in held}
        newest = sorted(expected, key=lambda pk: expected[pk]["seq"])[-50:]
        assert set(newest) <= set(held)
        for places in follower.places:
            assert places == sorted(set(places))


def test_whoever_connects_while_others_write_ends_with_the_databases_state(
    chat: ChatServer, second: ChatServer, cast: Cast
) -> None:
    servers = [chat, second]
    users = [cast.owner, cast.member, cast.outsider, cast.moderator]
    followers = [Follower(servers, cast.room, users[n % 4], lines=bool(n % 2)) for n in range(12)]
    actors = [Actor(servers[n % 2], cast.room, users[n]) for n in range(4)]
    run_for_a_while(cast, followers, actors, stays=0.2)
    assert sum(follower.log.connects for follower in followers) > 50
    assert_all_agree(cast, followers, actors)


def test_everybody_sees_one_order_in_both_processes(
    chat: ChatServer, second: ChatServer, cast: Cast
) -> None:
    servers = [chat, second]
    users = [cast.owner, cast.member, cast.outsider, cast.moderator]
    followers = [Follower([servers[n % 2]], cast.room, users[n], lines=n > 1) for n in range(4)]
    actors = [Actor(servers[n % 2], cast.room, users[n]) for n in range(4)]
    run_for_a_while(cast, followers, actors, stays=1_000)
    assert_all_agree(cast, followers, actors)
    head = Room.objects.get(pk=cast.room.pk).head
    for follower in followers:
        (places,) = follower.places
        last = places[-1]
        assert last == head
        # What a hole was filled with is net; else nothing at all is left out.
        assert len(places) > 0.8 * (last - places[0] + 1)


def test_messages_edits_reactions_deletions_and_presence_cross_processes(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Enter
) -> None:
    here, there = enter(chat, cast.room, cast.member), enter(second, cast.room, cast.owner)
    assert here.until("presence.joined")["user"]["name"] == "Olga Owner"
    message = here.asks(message="hello")
    reply = there.asks(message="hello yourself", reply_to=message["id"])
    here.asks(type="chat.edit", id=message["id"], message="hello!")
    there.asks(type="chat.react", id=message["id"], emoji="👍")
    here.asks(type="chat.delete", id=message["id"])
    for client in (here, there):
        client.had("chat.deleted")
        changes = [frame for frame in client.frames if frame["type"] in CHANGES]
        assert [frame["type"] for frame in changes] == [
            "chat.message",
            "chat.message",
            "chat.edited",
            "chat.reaction",
            "chat.deleted",
        ]
        assert [frame["pos"] for frame in changes] == [1, 2, 3, 4, 5]
        assert changes[1]["reply_to"] == message["id"]
        assert changes[1]["id"] == reply["id"]
        assert changes[3]["reactions"] == {"👍": [cast.owner.pk]}


def test_each_of_two_processes_answers_the_ref_of_what_it_wrote_however_they_race(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Enter
) -> None:
    """Each commits in the other's holes; a frame that waited must not lose its `ref`."""
    clients = [enter(chat, cast.room, cast.member), enter(second, cast.room, cast.owner)]
    threads = [
        threading.Thread(target=lambda c=client: [c.asks(message=str(n)) for n in range(60)])
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert Message.objects.filter(room=cast.room).count() == 120


# -- the database -----------------------------------------------------------------------------


def test_ended_database_connections_lose_and_double_nothing(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Enter
) -> None:
    clients = [enter(chat, cast.room, cast.member), enter(second, cast.room, cast.owner)]
    waiting = {str(uuid4()): n % 2 for n in range(120)}
    for n, (some_id, who) in enumerate(waiting.items()):
        clients[who].send(message=some_id, client_id=some_id)
        if n % 20 == 10:
            end_backends()
        time.sleep(0.01)
    deadline = time.monotonic() + 2 * PATIENCE
    while waiting:
        assert time.monotonic() < deadline, waiting
        for some_id, who in list(waiting.items()):
            answer = _answer(clients[who], some_id)
            if answer["type"] == "chat.message":
                del waiting[some_id]
            else:
                assert answer["code"] == "unavailable"
                clients[who].send(message=some_id, client_id=some_id)
    stored = [message["client_id"] for message in truth(cast.room).values()]
    assert len(stored) == len(set(stored)) == 120
    for client in clients:
        wait_until(lambda c=client: _has_all(c, 120), "a client does not hear all")


def _answer(client: Client, some_id: str) -> Frame:
    for frame in client.frames:
        if frame.get("client_id") == some_id:
            client.frames.remove(frame)
            return frame
    while True:
        frame = client.next()
        if frame.get("client_id") == some_id:
            client.frames.remove(frame)
            return frame


def _has_all(client: Client, head: int) -> bool:
    page = client.asks(type="chat.history", limit=100)
    return bool(page["head"] == head)


def test_while_the_database_is_away_senders_are_told_keep_their_text_and_resend_it(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter
) -> None:
    gate = Gate(chat_database)
    server = start_server(env={**UNLIMITED, "DATABASE_URL": gate.url})
    client, other = enter(server, cast.room, cast.member), enter(server, cast.room, cast.owner)
    client.say("before")
    other.until("chat.message")
    gate.shut()
    ids = [str(uuid4()) for _ in range(3)]
    for some_id in ids:
        client.send(message="kept", client_id=some_id)
    for some_id in ids:
        error = client.until("error", timeout=40, client_id=some_id)
        assert (error["code"], error["retry_after"] > 0) == ("unavailable", True)
    page = client.asks(type="chat.history", before=1)
    assert (page["type"], page.get("code")) == ("error", "unavailable")
    assert client.asks(type="ping")["type"] == "pong"
    gate.open()

    def resent() -> bool:
        client.send(message="kept", client_id=ids[0], ref=(ref := str(uuid4())))
        while (frame := client.next(40)).get("ref") != ref:
            pass
        return bool(frame["type"] == "chat.message")

    wait_until(resent, "the database is back and nothing is stored", 40)
    for some_id in ids[1:]:
        client.send(message="kept", client_id=some_id)
        client.until("chat.message", client_id=some_id)
    other.until("chat.message", client_id=ids[-1])
    seen = [frame["client_id"] for frame in other.frames if frame["type"] == "chat.message"]
    assert sorted(seen[1:]) == sorted(ids)
    assert len(truth(cast.room)) == 4
    gate.shut()


# -- Redis ------------------------------------------------------------------------------------


@pytest.fixture
def pair(
    start_server: StartServer, chat_database: str, redis_server: RedisServer
) -> list[ChatServer]:
    """Two processes with a Redis that may be hurt."""
    env = {
        **UNLIMITED,
        "DATABASE_URL": chat_database,
        "REDIS_URL": redis_server.url,
        "PRESENCE_RENEW_SECONDS": "1",
        "PRESENCE_LEASE_SECONDS": "5",
        "PRESENCE_GRACE_SECONDS": "0.5",
    }
    first = start_server(env=env)
    return [first, start_server(env=env, beside=first)]


def test_while_redis_is_killed_and_started_again_the_chat_goes_on(
    pair: list[ChatServer], redis_server: RedisServer, cast: Cast, enter: Enter
) -> None:
    here, there = enter(pair[0], cast.room, cast.member), enter(pair[1], cast.room, cast.owner)
    here.say("before")
    there.until("chat.message", message="before")
    redis_server.kill()
    for n in range(5):
        here.say(f"here, without Redis {n}")
        there.say(f"there, without Redis {n}")
    for client in (here, there):
        wait_until(lambda c=client: _heard(c, 11), "the last events were never found")
    newcomer = enter(pair[0], cast.room, cast.moderator)
    assert len(newcomer.frames[0]["messages"]) == 11
    newcomer.say("a newcomer, without Redis")
    redis_server.start()
    here.say("after")
    for client in (here, there, newcomer):
        wait_until(lambda c=client: c.asks(type="chat.history")["head"] == 13, "not all came")
        places = [frame["pos"] for frame in client.frames if frame["type"] in CHANGES]
        assert places == sorted(set(places))
    for client in (here, there, newcomer):
        wait_until(lambda c=client: _online(c) == 3, "presence did not come back")
    redis_server.kill()
    redis_server.start()  # emptied, and in a moment
    for client in (here, there, newcomer):
        wait_until(lambda c=client: _online(c) == 3, "presence did not come back")


def test_while_redis_is_full_the_chat_goes_on_and_presence_comes_back(
    pair: list[ChatServer], redis_server: RedisServer, cast: Cast, enter: Enter
) -> None:
    """It evicts nothing and stores nothing more; what it publishes still arrives."""
    here, there = enter(pair[0], cast.room, cast.member), enter(pair[1], cast.room, cast.owner)
    wait_until(lambda: _online(here) == 2, "the two do not see each other")
    with Redis.from_url(redis_server.url) as redis:
        redis.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            redis.set("more", "x")
        here.say("is there room?")
        there.until("chat.message", message="is there room?")
        newcomer = enter(pair[1], cast.room, cast.moderator)
        newcomer.say("for messages, yes")
        here.until("chat.message", message="for messages, yes")
        assert newcomer.asks(type="ping")["type"] == "pong"
        for _ in range(5):  # what succeeds in between, as a leave, ends no outage
            enter(pair[1], cast.room, cast.moderator).close()
        assert httpx.get(f"{pair[0].url}/healthz").status_code == 200
        redis.config_set("maxmemory", 0)
    for client in (here, there, newcomer):
        wait_until(lambda c=client: _online(c) == 3, "presence did not come back")
    for server in pair:
        assert "Traceback" not in server.log.read_text()
    assert pair[1].log.read_text().count("Redis does not answer or takes nothing") == 1


def test_while_redis_does_not_answer_the_chat_goes_on(
    pair: list[ChatServer], redis_server: RedisServer, cast: Cast, enter: Enter
) -> None:
    here, there = enter(pair[0], cast.room, cast.member), enter(pair[1], cast.room, cast.owner)
    redis_server.signal(signal.SIGSTOP)
    try:
        here.say("hello?")
        there.until("chat.message", message="hello?")
        newcomer = enter(pair[1], cast.room, cast.moderator)
        newcomer.say("hello!")
        here.until("chat.message", message="hello!")
    finally:
        redis_server.signal(signal.SIGCONT)
    for client in (here, there, newcomer):
        wait_until(lambda c=client: _online(c) == 3, "presence did not come back")


def test_a_resend_in_another_process_is_not_answered_ahead_of_what_was_delivered(
    pair: list[ChatServer], redis_server: RedisServer, cast: Cast, enter: Enter
) -> None:
    here, there = enter(pair[0], cast.room, cast.member), enter(pair[1], cast.room, cast.member)
    redis_server.kill()
    for n in range(5):
        some_id = str(uuid4())
        there.say(f"before {n}")
        there.say(f"mine {n}", client_id=some_id)
        here.send(message=f"mine {n}", client_id=some_id)
        here.until("chat.message", client_id=some_id)
        delivered = [frame["pos"] for frame in here.frames if frame["type"] in CHANGES]
        assert list(dict.fromkeys(delivered)) == list(range(1, 2 * n + 3))


def test_a_page_that_is_asked_for_is_not_ahead_of_what_was_delivered(
    pair: list[ChatServer], redis_server: RedisServer, cast: Cast, enter: Enter
) -> None:
    """Else a client that is cut off then comes back with a cursor that skips what is between."""
    here, there = enter(pair[0], cast.room, cast.member), enter(pair[1], cast.room, cast.owner)
    redis_server.kill()
    for n in range(5):
        there.say(str(n))
        page = here.asks(type="chat.history", before=1_000)
        delivered = [frame["pos"] for frame in here.frames if frame["type"] in CHANGES]
        assert [message["pos"] for message in page["messages"]] == delivered
        assert len(delivered) == n + 1


def _heard(client: Client, count: int) -> bool:
    client.asks(type="ping")
    return sum(frame["type"] == "chat.message" for frame in client.frames) >= count


def _online(client: Client) -> int:
    return int(client.asks(type="presence.get")["online"])


# -- the end of a process ---------------------------------------------------------------------


@pytest.mark.parametrize("lines", [False, True])
def test_on_sigterm_each_is_told_when_to_come_back_what_was_accepted_is_confirmed_and_it_ends(
    start_server: StartServer, chat_database: str, cast: Cast, lines: bool
) -> None:
    server = start_server(env={**UNLIMITED, "DATABASE_URL": chat_database})
    with (
        Client(server, cast.room, cast.member, lines=lines) as sender,
        Client(server, cast.room, cast.owner, lines=lines) as other,
    ):
        for client in (sender, other):
            client.until("presence.state")
        sender.say("before")
        for n in range(300):
            sender.send(message=str(n), client_id=str(uuid4()))
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        for client in (sender, other):
            assert client.close_code() == 4410
            last = client.frames[-1]
            assert (last["type"], last["code"]) == ("error", "unavailable")
            assert 0 < last["retry_after"] <= 10
    stored = {message["client_id"] for message in truth(cast.room).values()}
    confirmed = {f["client_id"] for f in sender.frames if f["type"] == "chat.message"}
    refused = {f["client_id"] for f in sender.frames if f["type"] == "error" and "client_id" in f}
    assert confirmed == stored
    assert not confirmed & refused
    heard = {frame["client_id"] for frame in other.frames if frame["type"] == "chat.message"}
    assert heard == stored


def test_on_sigterm_every_change_that_was_accepted_is_answered(
    start_server: StartServer, chat_database: str, cast: Cast
) -> None:
    """A queue that is nearly full, of what costs most: each is written, or its sender is told."""
    server = start_server(env={**UNLIMITED, "DATABASE_URL": chat_database})
    messages = MessageFactory.create_batch(100, room=cast.room, author=cast.member)
    with Client(server, cast.room, cast.member, lines=True) as client:
        client.until("presence.state")
        for n in range(1_800):
            client.send(type="chat.edit", id=messages[n % 100].pk, message=str(n), ref=n)
        client.asks(type="ping", ref="all were accepted")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        assert client.close_code() == 4410
    answered = {frame["ref"] for frame in client.frames if "ref" in frame}
    assert answered >= set(range(1_800))
    written = {f["ref"]: f for f in client.frames if f["type"] == "chat.edited" and "ref" in f}
    stored = truth(cast.room)
    for number, message in enumerate(messages):
        last = max(ref for ref in written if ref % 100 == number)
        assert stored[message.pk]["message"] == str(last)


def test_on_sigterm_it_ends_in_time_though_the_database_hangs(
    start_server: StartServer, chat_database: str, cast: Cast
) -> None:
    server = start_server(env={**UNLIMITED, "DATABASE_URL": chat_database})
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    wanted = {name: parameters[name] for name in names if name in parameters}
    with psycopg.connect(**wanted) as script, Client(server, cast.room, cast.member) as client:
        client.until("presence.state")
        script.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [cast.room.pk])
        client.send(message="waits for the lock")
        client.asks(type="ping")
        began = time.monotonic()
        status = server.stop()
        seconds = time.monotonic() - began
        assert client.close_code() == 4410
        script.rollback()
    assert (status, seconds < 10) == (0, True), f"status {status} after {seconds:.1f} s"


def test_on_sigterm_it_ends_in_time_though_redis_does_not_answer(
    pair: list[ChatServer], redis_server: RedisServer, cast: Cast
) -> None:
    with Client(pair[0], cast.room, cast.member) as client:
        client.until("presence.state")
        redis_server.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            status = pair[0].stop()
            seconds = time.monotonic() - began
        finally:
            redis_server.signal(signal.SIGCONT)
        assert client.close_code() == 4410
    assert (status, seconds < 10) == (0, True), f"status {status} after {seconds:.1f} s"


def test_after_a_crash_clients_come_back_elsewhere_with_all_and_resend_without_a_double(
    start_server: StartServer, second: ChatServer, chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    crashing = start_server(env=UNLIMITED, beside=chat)
    sent = {str(uuid4()): n for n in range(200)}
    with Client(crashing, cast.room, cast.member) as client:
        client.until("presence.state")
        for some_id in sent:
            client.send(message=some_id, client_id=some_id)
        client.until("chat.message")
        crashing.kill()
        client.close_code()
    places = [frame["pos"] for frame in client.frames if frame["type"] == "chat.message"]
    confirmed = {f["client_id"] for f in client.frames if f["type"] == "chat.message"}
    assert confirmed <= {message["client_id"] for message in truth(cast.room).values()}
    back = enter(second, cast.room, cast.member, since=max(places))
    for some_id in sent:
        back.send(message=some_id, client_id=some_id)
    answered = set()
    while len(answered) < 200:
        answered.add(back.until("chat.message")["client_id"])
    stored = [message["client_id"] for message in truth(cast.room).values()]
    assert sorted(stored) == sorted(sent)


def test_a_process_that_starts_again_goes_on_where_it_was(
    start_server: StartServer, chat_database: str, cast: Cast, enter: Enter
) -> None:
    server = start_server(env={**UNLIMITED, "DATABASE_URL": chat_database})
    MessageFactory.create_batch(3, room=cast.room)
    with Client(server, cast.room, cast.member) as client:
        client.until("presence.state")
        client.say("four")
    server.kill()
    server.start()
    back = enter(server, cast.room, cast.member, since=3)
    assert texts([{"type": "chat.message", **m} for m in back.frames[0]["messages"]]) == ["four"]
    assert back.asks(message="five")["seq"] == 5


# -- last: it has had the whole file to become old --------------------------------------------


def test_a_socket_that_is_idle_for_half_a_minute_lives(
    idle: tuple[Client, float, Cast], chat: ChatServer, enter: Enter
) -> None:
    client, since, cast = idle
    time.sleep(max(0.0, IDLE_SECONDS - (time.monotonic() - since)))
    other = enter(chat, cast.room, cast.owner)
    other.say("are you still there?")
    client.until("chat.message", message="are you still there?")
    client.say("yes")
