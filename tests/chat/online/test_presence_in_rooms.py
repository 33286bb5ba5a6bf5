"""Who is here, as people in a room see it: one coming and one going a person, and no ghosts."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from chat.factories import UserFactory
from core.models import User
from tests.support import servers
from tests.support.presence import presence_keys
from tests.support.servers import ChatServer
from tests.support.sockets import (
    UNLIMITED,
    Cast,
    Client,
    Frame,
    person_of,
    session_of,
    wait_until,
)

Enter = Callable[..., Client]
GRACE = 1.0
QUICK = {
    **UNLIMITED,
    "PRESENCE_GRACE_SECONDS": str(GRACE),
    "PRESENCE_LEASE_SECONDS": "4",
    "PRESENCE_RENEW_SECONDS": "1",
    "PRESENCE_GATHER_SECONDS": "0.02",
}
LONG = {**QUICK, "PRESENCE_LEASE_SECONDS": "30"}
RENAME = """
from core.models import User
user = User.objects.get(pk={})
user.display_name = "Dora Maar"
user.save()
"""
MOMENT = GRACE + 2.5  # after which a wrong announcement would have come


@pytest.fixture(scope="module")
def two(chat_database: str, template_database: str) -> Iterator[list[ChatServer]]:
    """Two processes in which leases and graces are short."""
    env = {**QUICK, "DATABASE_URL": chat_database}
    with (
        servers.chat_server(template_database, env=env) as one,
        servers.chat_server(template_database, env=QUICK, beside=one) as other,
    ):
        yield [one, other]


@pytest.fixture
def watcher(two: list[ChatServer], cast: Cast, enter: Enter) -> Client:
    """Olga, who looks on."""
    return enter(two[0], cast.room, cast.owner)


def events_of(client: Client, user: User) -> list[str]:
    """What was announced of a user."""
    return [
        frame["type"]
        for frame in client.frames
        if frame["type"] in ("presence.joined", "presence.left") and frame["user"]["id"] == user.pk
    ]


def names(state: Frame) -> set[str]:
    assert state["online"] == len(state["users"])
    return {user["name"] for user in state["users"]}


def assert_consecutive(client: Client) -> None:
    """Each change has the next version after the state that was shown before it."""
    version: int | None = None
    for frame in client.frames:
        if frame["type"] == "presence.state":
            version = frame["version"]
            continue
        if not frame["type"].startswith("presence.") or version is None:
            continue
        if frame["version"] > version:
            assert frame["version"] == version + 1, client.frames
            version = frame["version"]


def who(client: Client) -> set[str]:
    return names(client.asks(type="presence.get"))


# -- comings and goings -----------------------------------------------------------------------


def test_a_newcomer_is_announced_and_sees_who_is_here(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    member = enter(two[0], cast.room, cast.member)
    assert names(member.frames[1]) == {"Olga Owner", "Mia Member"}
    joined = watcher.until("presence.joined")
    assert (joined["user"]["name"], joined["online"]) == ("Mia Member", 2)
    assert joined["version"] == watcher.frames[1]["version"] + 1


def test_who_leaves_is_announced_after_the_grace(
    two: list[ChatServer], watcher: Client, cast: Cast
) -> None:
    began = time.monotonic()
    with Client(two[0], cast.room, cast.member) as member:
        member.until("presence.state")
        began = time.monotonic()
    left = watcher.until("presence.left")
    assert time.monotonic() - began >= GRACE * 0.9
    assert (left["user"]["name"], left["online"]) == ("Mia Member", 1)
    assert who(watcher) == {"Olga Owner"}
    assert_consecutive(watcher)


def test_two_tabs_are_one_person_in_whatever_order_and_process_they_close(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    tabs = [enter(two[n % 2], cast.room, cast.member) for n in range(4)]
    assert watcher.until("presence.joined")["online"] == 2
    for n in (1, 0, 3):
        tabs[n].close()
    watcher.silence(MOMENT, "presence.joined", "presence.left")
    assert who(watcher) == {"Olga Owner", "Mia Member"}
    tabs[2].close()
    assert watcher.until("presence.left")["online"] == 1
    assert events_of(watcher, cast.member) == ["presence.joined", "presence.left"]


def test_a_reload_is_not_seen(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    session = session_of(cast.member)
    tab = enter(two[0], cast.room, session=session)
    watcher.until("presence.joined")
    for n in range(3):
        tab.cut() if n % 2 else tab.close()
        tab = enter(two[n % 2], cast.room, session=session)
    watcher.silence(MOMENT, "presence.joined", "presence.left")
    assert who(watcher) == {"Olga Owner", "Mia Member"}


def test_a_flicker_of_five_seconds_and_the_way_back_are_not_seen(
    chat: ChatServer, cast: Cast, enter: Enter
) -> None:
    """In the time that there is by default: a page waits up to two and a half seconds more."""
    watcher = enter(chat, cast.room, cast.owner)
    session = session_of(cast.member)
    tab = enter(chat, cast.room, session=session)
    watcher.until("presence.joined")
    tab.cut()
    watcher.silence(4.5 + 2.5, "presence.left")
    enter(chat, cast.room, session=session)
    watcher.silence(3, "presence.joined", "presence.left")
    assert who(watcher) == {"Olga Owner", "Mia Member"}


def test_people_of_two_processes_see_each_other_come_and_go(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    far = enter(two[1], cast.room, cast.moderator)
    assert watcher.until("presence.joined")["user"]["name"] == "Mo Moderator"
    assert names(far.frames[1]) == {"Olga Owner", "Mo Moderator"}
    with Client(two[1], cast.room, cast.member) as member:
        member.until("presence.state")
        for client in (watcher, far):
            assert client.until("presence.joined")["user"]["name"] == "Mia Member"
    lefts = [client.until("presence.left") for client in (watcher, far)]
    assert lefts[0] == lefts[1]
    for client in (watcher, far):
        assert_consecutive(client)


def test_a_new_name_is_seen_on_every_process(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    far = enter(two[1], cast.room, cast.moderator)
    member = enter(two[0], cast.room, cast.member)
    for one in (watcher, far):
        wait_until(lambda c=one: "Mia Member" in who(c), "she is not seen")
    two[0].manage("shell", "-c", RENAME.format(cast.member.pk))
    for one in (watcher, far):
        wait_until(lambda c=one: "Dora Maar" in who(c), "the name is not seen")
    member.send(type="chat.typing")
    far.until("chat.typing", user={"id": cast.member.pk, "name": "Dora Maar"})
    for user in UserFactory.create_batch(2):  # what the others tell has the new one too
        enter(two[1], cast.room, user)
    assert {"Dora Maar"} < who(watcher)


def test_one_room_does_not_hear_of_another(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    enter(two[0], "another-room", cast.member)
    watcher.silence(0.5, "presence.joined")
    assert who(watcher) == {"Olga Owner"}


def test_whoever_comes_and_goes_at_once_ends_in_one_list_with_consecutive_versions(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    quiet = enter(two[1], cast.room, cast.owner)  # who asks sees less, having been shown it
    people = UserFactory.create_batch(8)
    clients = [enter(two[n % 2], cast.room, user) for n, user in enumerate(people)]
    for client in clients[:5]:
        client.close()
    last = enter(two[1], cast.room, cast.moderator)
    expected = {user.name for user in people[5:]} | {"Olga Owner", "Mo Moderator"}
    stayed = [watcher, last, *clients[5:]]
    for client in stayed:
        wait_until(lambda c=client: who(c) == expected, "the lists differ")
        assert_consecutive(client)
    quiet.until("presence.left", online=5)
    assert_consecutive(quiet)
    for user in people[:5]:
        assert events_of(quiet, user) == ["presence.joined", "presence.left"]


# -- trouble ----------------------------------------------------------------------------------


def test_a_process_that_is_killed_leaves_no_ghost_and_the_going_is_announced_once(
    two: list[ChatServer],
    watcher: Client,
    cast: Cast,
    enter: Enter,
    template_database: str,
) -> None:
    far = enter(two[1], cast.room, cast.moderator)
    with servers.chat_server(template_database, env=QUICK, beside=two[0]) as third:
        doomed = enter(third, cast.room, cast.member)
        both = enter(third, cast.room, cast.owner)
        for client in (watcher, far):
            client.had("presence.joined", user=person_of(cast.member))
        third.kill()
        doomed.close_code()
        both.close_code()
    lefts = [client.until("presence.left") for client in (watcher, far)]
    assert lefts[0] == lefts[1]
    assert lefts[0]["user"]["name"] == "Mia Member"
    watcher.silence(2, "presence.left", "presence.joined")
    assert who(watcher) == {"Olga Owner", "Mo Moderator"}


def test_where_all_who_look_on_are_invisible_nobody_is_a_ghost(
    two: list[ChatServer], cast: Cast, enter: Enter, template_database: str
) -> None:
    """Their process has no lease in the room, and looks after it all the same."""
    User.objects.filter(pk=cast.owner.pk).update(is_invisible=True)
    unseen = enter(two[1], cast.room, cast.owner)
    with servers.chat_server(template_database, env=QUICK, beside=two[0]) as third:
        enter(third, cast.room, cast.member)
        unseen.until("presence.state", online=1)
        third.kill()
    left = unseen.until("presence.left")
    assert (left["user"]["name"], left["online"]) == ("Mia Member", 0)
    assert_consecutive(unseen)


def test_a_going_that_the_others_were_not_told_is_found(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    """An announcement may be lost on the way; where the scope stands is heard at each renewal."""
    users, _, _, version = presence_keys(str(cast.room.pk))
    with redis.Redis.from_url(two[0].env["REDIS_URL"]) as client:
        client.sadd(users, cast.member.pk)
        client.incr(version)
    wait_until(lambda: who(watcher) == {"Olga Owner", "Mia Member"}, "nobody found it")


def test_redis_emptied_is_restored_by_every_process(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    far = enter(two[1], cast.room, cast.member)
    watcher.until("presence.joined")
    with redis.Redis.from_url(two[0].env["REDIS_URL"]) as client:
        client.flushall()
    for one in (watcher, far):
        wait_until(lambda c=one: who(c) == {"Olga Owner", "Mia Member"}, "somebody is missing")
    newcomer = enter(two[0], cast.room, cast.moderator)
    everybody = {"Olga Owner", "Mia Member", "Mo Moderator"}
    for one in (watcher, far, newcomer):
        wait_until(lambda c=one: who(c) == everybody, "somebody is missing")
    assert "presence.left" not in events_of(watcher, cast.member)


def test_when_one_process_makes_way_for_another_nobody_who_stayed_is_announced(
    two: list[ChatServer],
    watcher: Client,
    cast: Cast,
    enter: Enter,
    template_database: str,
) -> None:
    session = session_of(cast.member)
    with servers.chat_server(template_database, env=QUICK, beside=two[0]) as old:
        tab = enter(old, cast.room, session=session)
        watcher.until("presence.joined")
        assert old.stop() == 0
        assert tab.close_code() == 4410
        enter(two[1], cast.room, session=session)
    watcher.silence(MOMENT, "presence.joined", "presence.left")
    assert who(watcher) == {"Olga Owner", "Mia Member"}


def test_a_process_that_makes_way_gives_its_people_the_time_that_it_told_them(
    two: list[ChatServer],
    watcher: Client,
    cast: Cast,
    enter: Enter,
    template_database: str,
) -> None:
    """Longer than the grace: they come back over five seconds, not all at once."""
    session = session_of(cast.member)
    with servers.chat_server(template_database, env=LONG, beside=two[0]) as old:
        enter(old, cast.room, session=session)
        watcher.until("presence.joined")
        assert old.stop() == 0
    watcher.silence(MOMENT, "presence.left")
    enter(two[1], cast.room, session=session)
    watcher.silence(MOMENT, "presence.joined", "presence.left")
    assert who(watcher) == {"Olga Owner", "Mia Member"}


def test_nothing_is_left_in_redis_of_a_room_that_everybody_left(
    two: list[ChatServer], cast: Cast
) -> None:
    with Client(two[0], cast.room, cast.member) as member:
        member.until("presence.state")
    keys = presence_keys(str(cast.room.pk))[:3]
    with redis.Redis.from_url(two[0].env["REDIS_URL"]) as client:
        wait_until(lambda: not client.exists(*keys), "a ghost is left")


def test_a_guest_is_one_person_a_connection(
    two: list[ChatServer], watcher: Client, cast: Cast, enter: Enter
) -> None:
    guests = [enter(two[0], cast.room) for _ in range(2)]
    shown: list[Any] = [guest.frames[0]["you"]["name"] for guest in guests]
    wait_until(lambda: who(watcher) == {"Olga Owner", *shown}, "a guest is missing")
