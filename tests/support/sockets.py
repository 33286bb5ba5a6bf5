"""A plain WebSocket client, the people who use it, and the server they talk to.

The client knows nothing of the project but its protocol. A folder whose conftest.py imports the
fixtures of this file has them.
"""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.models import Message, Room, Sanction
from chat.protocol import persons
from core.local.embedded.server import NoAnswer
from core.local.embedded.valkey import Valkey
from core.models import User
from tests.support import databases, servers
from tests.support.databases import using
from tests.support.ports import free_port
from tests.support.servers import ChatServer

PATIENCE = 20.0  # seconds for what must come; nothing here waits for ever
Frame = dict[str, Any]

# What one person sends in a test would be too fast for people.
UNLIMITED = {
    "CHAT_RATE_MESSAGES": "0",
    "CHAT_RATE_EDITS": "0",
    "CHAT_FRAMES_PER_SECOND": "0",
    "CHAT_CONNECTIONS_MAX": "500",
}


# -- the server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chat_database(template_database: str, django_db_blocker: Any) -> Iterator[str]:
    """The URL of a database for one file, where the server's rows and the test's are the same."""
    with (
        databases.copied(template_database) as url,
        django_db_blocker.unblock(),
        using(url),
    ):
        yield f"{url}{'&' if urlsplit(url).query else '?'}application_name=under_test"


@pytest.fixture(scope="module")
def chat(chat_database: str, template_database: str) -> Iterator[ChatServer]:
    """The real server on the tests' database, without limits on rates, for one file."""
    env = {**UNLIMITED, "DATABASE_URL": chat_database}
    with servers.chat_server(template_database, env=env) as running:
        yield running


@pytest.fixture(scope="module")
def second(chat: ChatServer, template_database: str) -> Iterator[ChatServer]:
    """Another process of the same chat."""
    with servers.chat_server(template_database, env=UNLIMITED, beside=chat) as running:
        yield running


class Gate:
    """A door in front of a server: shut, nothing gets through and nobody gets in."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._port = free_port()
        self._pipes: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        place = f"127.0.0.1:{self._port}"
        user, _, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{user}@{place}" if user else place).geturl()
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def shut(self) -> None:
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for pipe in list(self._pipes):
            with suppress(OSError):
                pipe.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inside, _ = listener.accept()
            except OSError:
                return
            try:
                outside = socket.create_connection(self._target)
            except OSError:
                inside.close()
                continue
            self._pipes |= {inside, outside}
            for source, target in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._pump, args=[source, target], daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for pipe in (source, target):
            with suppress(OSError):
                pipe.shutdown(socket.SHUT_RDWR)
        source.close()
        self._pipes.discard(source)


class RedisServer:
    """A Valkey that a test may kill, start again on the same port, and stop in its tracks."""

    def __init__(self, directory: Path) -> None:
        self._valkey = Valkey(directory)
        directory.mkdir(exist_ok=True)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._valkey.url(self._port)

    def start(self) -> None:
        self._valkey.prepare()
        self._process = subprocess.Popen(
            self._valkey.command(self._port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "Valkey does not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            self._valkey.ping(self.url)
        except NoAnswer:
            return False
        return True


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


def wait_until(condition: Any, complaint: str, seconds: float = PATIENCE) -> Any:
    """Return what `condition()` returns, once that is something."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{complaint} (waited {seconds} s)")
        time.sleep(0.02)


def end_backends() -> int:
    """End every connection that a server under test has to the database; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'under_test'"
        )
        (ended,) = cursor.fetchone()
    return int(ended)


# -- people -----------------------------------------------------------------------------------


class Cast(NamedTuple):
    """A room and the people of every test: `outsider` and `banned` exist, and are kept out."""

    room: Room
    owner: User
    member: User
    outsider: User
    banned: User
    moderator: User


def cast_of(**room: Any) -> Cast:
    """A room (RoomFactory's arguments) with its people. The banned one is a member."""
    place = RoomFactory(**room)
    people = [
        UserFactory(display_name=name)
        for name in ("Olga Owner", "Mia Member", "Otto Outsider", "Ben Banned", "Mo Moderator")
    ]
    owner, member, _, banned, moderator = people
    for user, role in ((owner, "owner"), (member, "member"), (banned, "member")):
        MembershipFactory(room=place, user=user, role=role)
    MembershipFactory(room=place, user=moderator, role="moderator")
    Sanction.objects.create(user=banned, room=place, kind=Sanction.Kind.BAN)
    return Cast(place, *people)


@pytest.fixture
def cast(chat_database: str) -> Cast:
    """An open room with its people, in the database of `chat`."""
    return cast_of()


def person_of(user: User) -> dict[str, Any]:
    """As frames show them."""
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(persons.person_of(user)))
    return shown


def session_of(user: User) -> str:
    """The key of a session in which the user is signed in."""
    browser = Browser()
    browser.force_login(user)
    return str(browser.cookies[settings.SESSION_COOKIE_NAME].value)


def signed_in(server: ChatServer, user: User) -> dict[str, str]:
    """The cookies of a browser in which the user is signed in at `server`."""
    return {server.cookie(): session_of(user)}


def truth(room: Room) -> dict[int, Frame]:
    """A room's messages as the database has them, by id, in the shape that `Log` keeps."""
    messages = Message.objects.filter(room=room).prefetch_related("reactions")
    return {
        message.pk: {
            "seq": message.seq,
            "pos": message.pos,
            "client_id": str(message.client_id),
            "user": message.author_id,
            "message": message.body,
            "deleted": message.is_deleted,
            "edited": message.edited_at is not None,
            "reactions": {} if message.is_deleted else _by_emoji(message),
        }
        for message in messages
    }


def _by_emoji(message: Message) -> dict[str, list[int]]:
    reactions: dict[str, list[int]] = {}
    for reaction in sorted(message.reactions.all(), key=lambda one: one.pk):
        reactions.setdefault(reaction.emoji, []).append(reaction.user_id)
    return reactions


# -- the client -------------------------------------------------------------------------------

CHANGES = ("chat.message", "chat.edited", "chat.deleted", "chat.reaction")


class Log:
    """What a client holds, by the protocol's rules; complains where the server breaks them.

    Not for connections that resend or ask again: an answer may repeat what was delivered.
    """

    def __init__(self) -> None:
        self.messages: dict[int, Frame] = {}
        self.cursor: int | None = None
        self.connects = 0

    def connected(self) -> None:
        self.connects += 1
        self._has_history = False

    def take(self, frame: Frame) -> None:
        if frame["type"] == "chat.history":
            self._take_history(frame)
        elif frame["type"] in CHANGES:
            assert self._has_history, f"before the history: {frame}"
            self._advance(frame["pos"])
            self._keep(frame)

    def _take_history(self, frame: Frame) -> None:
        self._has_history = True
        if frame["mode"] == "since":
            assert self.cursor is not None
            places = [message["pos"] for message in frame["messages"]]
            assert places == sorted(set(places))
            assert all(self.cursor < pos <= frame["head"] for pos in places), (self.cursor, places)
        else:
            self.messages.clear()
            assert [m["seq"] for m in frame["messages"]] == sorted(
                m["seq"] for m in frame["messages"]
            )
        for message in frame["messages"]:
            self._keep(message)
        assert frame["mode"] != "since" or frame["head"] >= (self.cursor or 0)
        self.cursor = frame["head"]

    def _advance(self, pos: int) -> None:
        assert self.cursor is not None
        assert pos > self.cursor, f"{pos} came after {self.cursor}"
        self.cursor = pos

    def _keep(self, message: Frame) -> None:
        known = self.messages.get(message["id"])
        if known is not None and known["pos"] >= message["pos"]:
            return
        self.messages[message["id"]] = {
            "seq": message["seq"],
            "pos": message["pos"],
            "client_id": message["client_id"],
            "user": message["user"]["id"],
            "message": message["message"],
            "deleted": "deleted" in message,
            "edited": "edited" in message,
            "reactions": message.get("reactions", {}),
        }


def address(server: ChatServer, room: Room | str, since: Any = None, *, plain: bool = False) -> str:
    """`plain`: as a client that knows no protocol; else it says that it does, by `since`."""
    slug = room if isinstance(room, str) else room.slug
    query = "" if plain else f"?since={'' if since is None else quote(str(since))}"
    return f"{server.ws_url}/ws/chat/{quote(slug)}/{query}"


class Client:
    """One WebSocket. `frames` is all that came, in order."""

    def __init__(
        self,
        server: ChatServer,
        room: Room | str,
        user: User | None = None,
        *,
        since: Any = None,
        lines: bool = False,
        plain: bool = False,
        origin: str | None = None,
        session: str | None = None,
    ) -> None:
        if user is not None:
            session = session_of(user)
        self.frames: list[Frame] = []
        self._waiting: list[Frame] = []
        self.payloads: list[str | bytes] = []
        self._opening = connect(
            address(server, room, since, plain=plain),
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": f"{server.cookie()}={session}"} if session else None,
            subprotocols=["chat.v1"] if lines else None,  # type: ignore[list-item]
            max_size=None,
            max_queue=None,  # it reads on while the test does something else
            proxy=None,
            open_timeout=PATIENCE,
            ping_interval=None,
            user_agent_header=None,
        )
        self._socket = self._opening.__enter__()

    @property
    def subprotocol(self) -> str | None:
        return self._socket.subprotocol

    @property
    def tcp(self) -> socket.socket:
        return self._socket.socket

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opening.__exit__(None, None, None)

    def cut(self) -> None:
        """Be gone without a word."""
        self._socket.socket.shutdown(socket.SHUT_RDWR)
        self.close()

    # -- sending --------------------------------------------------------------------------

    def send(self, **fields: Any) -> None:
        self._socket.send(json.dumps(fields))

    def send_raw(self, payload: str | bytes, *, text: bool | None = None) -> None:
        self._socket.send(payload, text=text)

    def say(self, text: str, **fields: Any) -> Frame:
        """Post, and return the confirmation."""
        self.send(message=text, **fields)
        return self.until("chat.message", message=text)

    # -- receiving ------------------------------------------------------------------------

    def next(self, timeout: float = PATIENCE) -> Frame:
        """The next object. Raises ConnectionClosed, TimeoutError."""
        while not self._waiting:
            payload = self._socket.recv(timeout)
            self.payloads.append(payload)
            lines = payload.splitlines() if self.subprotocol else [payload]
            self._waiting = [json.loads(line) for line in lines]
        frame = self._waiting.pop(0)
        assert isinstance(frame, dict)
        self.frames.append(frame)
        return frame

    def until(self, kind: str, timeout: float = PATIENCE, **fields: Any) -> Frame:
        """The next object of this type with these fields; what comes before it is passed over."""
        deadline = time.monotonic() + timeout
        passed = len(self.frames)
        while True:
            try:
                frame = self.next(max(0.01, deadline - time.monotonic()))
            except TimeoutError:
                seen = self.frames[passed:]
                raise AssertionError(f"no {kind} {fields} came, but {seen}") from None
            if frame["type"] == kind and fields.items() <= frame.items():
                return frame

    def had(self, kind: str, **fields: Any) -> Frame:
        """Such an object that came already, or else the next one."""
        for frame in self.frames:
            if frame["type"] == kind and fields.items() <= frame.items():
                return frame
        return self.until(kind, **fields)

    def asks(self, **command: Any) -> Frame:
        """Send a command and return the frame that answers its `ref`."""
        ref = command.setdefault("ref", f"ask-{time.monotonic_ns()}")
        self.send(**command)
        while (frame := self.next()).get("ref") != ref:
            pass
        return frame

    def meanwhile(self) -> list[Frame]:
        """All that comes until the server answers a ping sent now."""
        came = len(self.frames)
        self.asks(type="ping")
        return self.frames[came:-1]

    def silence(self, seconds: float, *kinds: str) -> None:
        """See that nothing of these types comes for a while."""
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            with suppress(TimeoutError):
                frame = self.next(rest)
                assert frame["type"] not in kinds, frame

    def close_code(self, timeout: float = PATIENCE) -> int | None:
        """Read what is left and return the code that the server closed with."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.next(max(0.01, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


@pytest.fixture
def enter() -> Iterator[Any]:
    """Open clients that are closed after the test: `enter(server, room, user)`.

    They have been shown the room: history and presence are in `frames`.
    """
    with ExitStack() as stack:

        def open_client(server: ChatServer, *args: Any, **options: Any) -> Client:
            client = stack.enter_context(Client(server, *args, **options))
            client.until("presence.state")
            return client

        yield open_client


def texts(frames: Sequence[Frame]) -> list[str]:
    return [frame["message"] for frame in frames if frame["type"] in CHANGES]
