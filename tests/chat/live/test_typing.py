"""Who is typing: shown now and then, of those who may write, and of a few in a crowd."""

from typing import Any

from chat.factories import MembershipFactory, UserFactory
from chat.live.typing import EVERY, TYPISTS
from chat.models import Room, Sanction
from core.models import User
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, Frame

SHELL = """
from chat.models import *
{}
"""


def of_typing(client: Client) -> list[Frame]:
    return [frame for frame in client.frames if frame["type"] == "chat.typing"]


def see_all(sender: Client, *clients: Client) -> None:
    """What the sender sent before has been handled, and what it led to was seen."""
    sender.asks(type="ping")
    for number, client in enumerate(clients):
        client.asks(type="ping", ref=f"seen {number}")


def test_two_tabs_on_two_processes_are_shown_as_one_person_typing(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Any
) -> None:
    watchers = [enter(server, cast.room, cast.owner) for server in (chat, second)]
    tabs = [enter(server, cast.room, cast.member) for server in (chat, second)]
    tabs[0].send(type="chat.typing")
    for watcher in watchers:
        watcher.until("chat.typing")
    tabs[1].send(type="chat.typing")
    see_all(tabs[1])
    for watcher in watchers:
        watcher.silence(0.5, "chat.typing")


def test_of_a_crowd_a_few_are_shown_typing(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Any
) -> None:
    watcher = enter(second, cast.room, cast.owner)
    crowd = [enter(chat, cast.room, user) for user in UserFactory.create_batch(TYPISTS + 4)]
    for one in crowd:
        one.send(type="chat.typing")
    for one in crowd:
        see_all(one)
    for _ in range(TYPISTS):
        watcher.until("chat.typing")
    watcher.silence(EVERY / TYPISTS * 0.6, "chat.typing")


def mute(chat: ChatServer, user: User, room: Room) -> None:
    """As the admin does it: in another process, which tells the servers."""
    code = f"Sanction(user_id={user.pk}, room_id={room.pk}, kind='mute').save()"
    chat.manage("shell", "-c", SHELL.format(code))


def test_whoever_is_muted_is_not_shown_typing_and_not_told_why(
    chat: ChatServer, cast: Cast, enter: Any
) -> None:
    muted, late = UserFactory.create_batch(2)
    for user in (muted, late):
        MembershipFactory(room=cast.room, user=user)
    Sanction.objects.create(user=muted, room=cast.room, kind=Sanction.Kind.MUTE)
    watcher = enter(chat, cast.room, cast.owner)
    clients = [enter(chat, cast.room, user) for user in (muted, late)]
    clients[1].send(type="chat.typing")
    watcher.until("chat.typing", user={"id": late.pk, "name": late.name})
    mute(chat, late, cast.room)
    watcher.silence(EVERY + 0.5)
    for client in clients:
        client.send(type="chat.typing")
        see_all(client)
        assert "error" not in {frame["type"] for frame in client.frames}
    watcher.silence(0.5, "chat.typing")


def test_in_an_archived_room_nobody_is_shown_typing(
    chat: ChatServer, cast: Cast, enter: Any
) -> None:
    watcher, member = (enter(chat, cast.room, user) for user in (cast.owner, cast.member))
    code = f"room = Room.objects.get(pk={cast.room.pk}); room.is_archived = True; room.save()"
    chat.manage("shell", "-c", SHELL.format(code))
    member.until("room.updated")
    member.send(type="chat.typing")
    see_all(member)
    watcher.silence(0.5, "chat.typing")
