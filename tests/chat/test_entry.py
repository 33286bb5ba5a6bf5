"""Coming into a room that others come into, or make, at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from chat import access, entry
from chat.errors import Turned
from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.models import Room, Sanction
from tests.chat.admin.pages import at
from tests.support.servers import ChatServer
from tests.support.sockets import PATIENCE, Cast, session_of

CROWD = 8


@pytest.mark.django_db
class TestFind:
    def test_a_room_that_comes_into_being_meanwhile_is_no_forbidden_one(self) -> None:
        user, made = UserFactory(), []

        def meanwhile(execute: Any, *args: Any) -> Any:
            found = execute(*args)
            if not made and 'FROM "chat_room"' in args[0]:
                made.append("party")
                Room.objects.create(slug="party")
            return found

        with connection.execute_wrapper(meanwhile):
            assert entry.find("party", user) is None
        assert made
        made.clear()
        Room.objects.all().delete()
        with connection.execute_wrapper(meanwhile):
            access.look("party")  # or Turned
        assert made

    def test_it_asks_once(self, django_assert_num_queries: Any) -> None:
        member, room = UserFactory(), RoomFactory(private=True)
        MembershipFactory(room=room, user=member)
        with django_assert_num_queries(1):
            assert entry.find(room.slug, member) == room
        with django_assert_num_queries(1):
            assert entry.find("free", member) is None

    def test_what_is_not_for_somebody_is_refused(self) -> None:
        member, outsider = UserFactory(), UserFactory()
        room, lobby = RoomFactory(private=True), RoomFactory()
        MembershipFactory(room=room, user=member)
        assert entry.find(room.slug, member) == room
        for user in (outsider, AnonymousUser()):
            assert entry.find(lobby.slug, user) == lobby
            with pytest.raises(entry.NoSuchRoom):
                entry.find(room.slug, user)
        with pytest.raises(Turned):
            access.look(room.slug)

    def test_a_ban_counts_in_its_room_and_one_of_the_site_in_all(self) -> None:
        person, (one, other) = UserFactory(), RoomFactory.create_batch(2)
        Sanction.objects.create(user=person, room=one, kind="ban")
        Sanction.objects.create(user=UserFactory(), kind="ban")  # somebody else
        Sanction.objects.create(user=person, kind="mute")
        Sanction.objects.create(user=person, kind="ban", until=at(1))
        assert list(Room.objects.visible_to(person)) == [other]
        with pytest.raises(entry.NoSuchRoom):
            entry.find(one.slug, person)
        Sanction.objects.create(user=person, kind="ban")
        assert not Room.objects.visible_to(person).exists()


def test_a_crowd_that_enters_a_new_room_at_once_is_let_in(
    chat: ChatServer, second: ChatServer, cast: Cast
) -> None:
    people = UserFactory.create_batch(CROWD)
    cookies = [{"sessionid": session_of(user)} for user in people]

    def enter(n: int, slug: str, start: Barrier) -> int:
        url = (chat, second)[n % 2].url
        start.wait(PATIENCE)
        page = httpx.get(f"{url}/chat/{slug}/", cookies=cookies[n], timeout=PATIENCE)
        return page.status_code

    with ThreadPoolExecutor(CROWD) as pool:
        for _ in range(12):
            slug, start = f"party-{uuid4().hex[:8]}", Barrier(CROWD)
            entering = [pool.submit(enter, n, slug, start) for n in range(CROWD)]
            assert [each.result() for each in entering] == [200] * CROWD
            assert Room.objects.get(slug=slug).memberships.count() == CROWD
