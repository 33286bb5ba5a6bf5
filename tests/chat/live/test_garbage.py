"""Garbage in Redis, published to every group and mailbox, between two processes.

The second one never compares heads with the database: what it shows came through Redis.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
import redis

from core.redis import installation
from tests.chat.live.garbage import payloads
from tests.support import servers
from tests.support.servers import ChatServer
from tests.support.sockets import UNLIMITED, Cast, Client

SHOWN = {
    "chat.history",
    "chat.message",
    "presence.state",
    "presence.joined",
    "presence.left",
    "pong",
}
LINES_MAX = 20  # of the log, about thousands of bundles


@pytest.fixture(scope="module")
def deaf_but_for_redis(chat: ChatServer, template_database: str) -> Iterator[ChatServer]:
    env = {**UNLIMITED, "DJANGO_SETTINGS_MODULE": "tests.faults.settings", "FAULTS_BREAK": "heads"}
    with servers.chat_server(template_database, env=env, beside=chat) as running:
        yield running


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def health(server: ChatServer) -> dict[str, object]:
    found: dict[str, object] = httpx.get(f"{server.url}/healthz").json()
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_garbage_of_every_shape_changes_nothing(
    chat: ChatServer, deaf_but_for_redis: ChatServer, cast: Cast, stack: ExitStack, seed: int
) -> None:
    """Some seconds: thousands of bundles to each of many channels."""
    near = stack.enter_context(Client(chat, cast.room, cast.owner))
    far = stack.enter_context(Client(deaf_but_for_redis, cast.room, cast.member))
    for client in (near, far):
        client.until("presence.state")
    near.say("before")
    far.until("chat.message", message="before")
    said = ["before"]
    with redis.Redis.from_url(chat.env["REDIS_URL"]) as client:
        found = payloads(cast.room.pk, seed)
        for number in range(0, len(found), 100):
            channels = [name.decode() for name in client.pubsub_channels()]
            assert all(name.startswith(installation.prefix()) for name in channels)
            assert any(name.endswith(f"room.{cast.room.pk}") for name in channels)
            with client.pipeline(transaction=False) as pipe:
                for payload in found[number : number + 100]:
                    for channel in channels:
                        pipe.publish(channel, payload)
                pipe.execute()
            said.append(f"after {number}")
            near.say(said[-1])
            far.until("chat.message", message=said[-1])
    for server in (chat, deaf_but_for_redis):
        assert health(server)["status"] == "ok"
        assert health(server)["down"] == []
        told = [line for line in server.log.read_text().splitlines() if "passed by" in line]
        assert told
        assert len(told) <= LINES_MAX
    far.send(type="presence.get", ref=1)
    assert {user["name"] for user in far.until("presence.state", ref=1)["users"]} == {
        "Olga Owner",
        "Mia Member",
    }
    for one in (near, far):
        assert {frame["type"] for frame in one.frames} <= SHOWN
        assert [f["message"] for f in one.frames if f["type"] == "chat.message"] == said
