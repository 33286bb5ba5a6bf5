"""The chat on a Redis Cluster: two processes, of which each knows another node of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from chat.online.pages import reader
from core.models import User
from core.redis import installation
from core.web import throttle
from presence import clients
from presence.reader import Lease
from tests.presence.cluster import Cluster
from tests.support import servers
from tests.support.servers import ChatServer
from tests.support.sockets import UNLIMITED, Cast, cast_of, person_of, signed_in

GRACE = {**UNLIMITED, "PRESENCE_GRACE_SECONDS": "0.2"}
Pair = tuple[ChatServer, ChatServer]


@pytest.fixture(scope="module")
def pair(cluster: Cluster, chat_database: str, template_database: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        env = {**GRACE, "REDIS_CLUSTER": "on", "DATABASE_URL": chat_database}
        yield tuple(  # type: ignore[misc]
            stack.enter_context(
                servers.chat_server(
                    template_database, env=env | {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
                )
            )
            for port in cluster.ports[:2]
        )


@pytest.fixture
def on_cluster(cluster: Cluster, settings: Any) -> Iterator[None]:
    """Pages and limits of this process use it."""
    settings.REDIS_URL = f"redis://127.0.0.1:{cluster.ports[2]}/0"
    settings.REDIS_CLUSTER = True
    cached = (clients.for_pages, throttle.limiter)
    for one in cached:
        one.cache_clear()
    yield
    clients.for_pages().close()
    throttle.limiter(installation.prefix()).storage.storage.close()  # type: ignore[attr-defined]
    for one in cached:
        one.cache_clear()


def test_people_of_two_processes_talk_and_see_each_other_come_and_go(
    pair: Pair, cast: Cast, enter: Any
) -> None:
    near = enter(pair[0], cast.room, cast.owner)
    far = enter(pair[1], cast.room, cast.member)
    me = person_of(cast.member)
    near.until("presence.joined", user=me)
    far.say("hello")
    assert near.until("chat.message")["message"] == "hello"
    far.close()
    near.until("presence.left", user=me)


def test_pages_read_who_is_there_from_every_node(
    pair: Pair, cast: Cast, enter: Any, on_cluster: None
) -> None:
    rooms = [cast_of() for _ in range(6)]  # on all nodes, or nearly
    for one in rooms:
        enter(pair[0], one.room, one.member)
    scopes = [str(one.room.pk) for one in rooms]
    assert reader.counts(scopes) == dict.fromkeys(scopes, 1)
    here = {str(one.member.pk) for one in rooms}
    assert reader.present("site", [*here, "0"]) == here
    (lease,) = reader.leases(scopes[0]) or []
    assert reader.holds(scopes[0], lease) is True
    assert reader.holds(scopes[0], Lease(lease.user, "another")) is False
    cookies = signed_in(pair[1], rooms[0].member)
    with httpx.Client(base_url=pair[1].url, cookies=cookies) as http:
        assert "1 online" in http.get("/chat/").text


def test_whoever_turns_invisible_is_shown_on_no_node(
    pair: Pair, cast: Cast, enter: Any, on_cluster: None
) -> None:
    watcher = enter(pair[0], cast.room, cast.owner)
    enter(pair[1], cast.room, cast.member)
    watcher.until("presence.joined")
    User.objects.filter(pk=cast.member.pk).update(is_invisible=True)
    changes = reader.forget(str(cast.member.pk), [str(cast.room.pk), "site"])
    assert {scope: each[0].kind for scope, each in changes.items()} == {
        str(cast.room.pk): "left",
        "site": "left",
    }


@pytest.mark.usefixtures("chat_database")
def test_limits_count_on_it(on_cluster: None) -> None:
    found = [throttle.allowed("test", "2/minute", who) for who in "abcabcabc"]
    assert found == [True] * 6 + [False] * 3
