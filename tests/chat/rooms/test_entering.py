"""Coming into a room that others come into, or make, at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.contrib.auth.models import AnonymousUser

from chat.factories import MembershipFactory, RoomFactory, UserFactory
from chat.models import Room, Sanction
from chat.protocol.errors import Rejected
from chat.rooms import addresses, admission, entering
from core.database.statements import fetch
from tests.chat.admin.pages import at
from tests.chat.rooms_of_before import with_guessable_address
from tests.support.servers import ChatServer
from tests.support.sockets import PATIENCE, Cast, session_of

CROWD = 8


@pytest.mark.django_db
class TestFind:
    def test_a_room_that_comes_into_being_meanwhile_is_no_forbidden_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, made = UserFactory(), []

        def meanwhile(*calls: Any) -> Any:
            found = fetch(*calls)
            if not made:
                made.append(Room.objects.create(slug="party"))
            return found

        monkeypatch.setattr(addresses, "fetch", meanwhile)
        assert entering.find("party", user) is None
        assert made
        Room.objects.all().delete()
        made.clear()
        admission.look("party")  # or Rejected
        assert made

    def test_a_free_address_that_becomes_a_private_rooms_meanwhile_is_forbidden(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = entering.is_free

        def meanwhile(*given: Any) -> bool:
            was_free = free(*given)
            if was_free:
                with_guessable_address(RoomFactory(private=True), "board")
            return was_free

        monkeypatch.setattr(entering, "is_free", meanwhile)
        with pytest.raises(Rejected, check=lambda turned: turned.code == 4404):
            admission.enter_as(UserFactory(), "board", "")

    def test_nobody_joins_a_room_that_turns_private_meanwhile(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, member, room = UserFactory(), UserFactory(), RoomFactory(slug="board")
        MembershipFactory(room=room, user=member)
        as_it_was = addresses.look_up("board", user.pk)
        monkeypatch.setattr(admission, "look_up", lambda *_: as_it_was)
        monkeypatch.setattr(entering, "look_up", lambda *_: as_it_was)
        Room.objects.filter(pk=room.pk).update(kind=Room.Kind.PRIVATE)
        with pytest.raises(Rejected, check=lambda turned: turned.code == 4404):
            admission.enter_as(user, "board", "")
        with pytest.raises(entering.NoSuchRoom):
            entering.enter("board", user, "")
        assert list(room.memberships.values_list("user", flat=True)) == [member.pk]

    def test_it_asks_once(self, asked: list[str]) -> None:
        member, room = UserFactory(), RoomFactory(private=True)
        MembershipFactory(room=room, user=member)
        asked.clear()
        assert entering.find(room.slug, member) == room
        assert asked == ["chat_address"]
        assert entering.find("free", member) is None
        assert asked == ["chat_address"] * 2

    def test_what_is_not_for_somebody_is_refused(self) -> None:
        member, outsider = UserFactory(), UserFactory()
        room, lobby = RoomFactory(private=True), RoomFactory()
        MembershipFactory(room=room, user=member)
        assert entering.find(room.slug, member) == room
        for user in (outsider, AnonymousUser()):
            assert entering.find(lobby.slug, user) == lobby
            with pytest.raises(entering.NoSuchRoom):
                entering.find(room.slug, user)
        with pytest.raises(Rejected):
            admission.look(room.slug)

    def test_a_ban_counts_in_its_room_and_one_of_the_site_in_all(self) -> None:
        person, (one, other) = UserFactory(), RoomFactory.create_batch(2)
        Sanction.objects.create(user=person, room=one, kind="ban")
        Sanction.objects.create(user=UserFactory(), kind="ban")  # somebody else
        Sanction.objects.create(user=person, kind="mute")
        Sanction.objects.create(user=person, kind="ban", until=at(1))
        assert list(Room.objects.visible_to(person)) == [other]
        with pytest.raises(entering.NoSuchRoom):
            entering.find(one.slug, person)
        Sanction.objects.create(user=person, kind="ban")
        assert not Room.objects.visible_to(person).exists()


def test_a_crowd_that_enters_a_new_room_at_once_is_let_in(
    chat: ChatServer, second: ChatServer, cast: Cast
) -> None:
    people = UserFactory.create_batch(CROWD)
    keys = [session_of(user) for user in people]

    def enter(n: int, slug: str, start: Barrier) -> int:
        server = (chat, second)[n % 2]
        cookies = {server.cookie(): keys[n]}
        start.wait(PATIENCE)
        page = httpx.get(f"{server.url}/chat/{slug}/", cookies=cookies, timeout=PATIENCE)
        return page.status_code

    with ThreadPoolExecutor(CROWD) as pool:
        for _ in range(12):
            slug, start = f"party-{uuid4().hex[:8]}", Barrier(CROWD)
            entering = [pool.submit(enter, n, slug, start) for n in range(CROWD)]
            assert [each.result() for each in entering] == [200] * CROWD
            assert Room.objects.get(slug=slug).is_vacant
