"""Rooms nobody wanted: a free address was entered, and nothing was said."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone
from websockets.exceptions import ConnectionClosed

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.log import posts
from chat.log.apply import apply
from chat.log.write import ReadTo, Write
from chat.models import Imported, Membership, Room, Sanction
from chat.online.vacant_rooms import Occupancy
from chat.process import Process
from chat.protocol.changes import Change, Person
from chat.protocol.commands import Post, Read
from chat.protocol.errors import Gone, Rejected
from chat.rooms import admission, entering, vacancy
from core.models import User
from tests.support.meanwhile import meanwhile, waits
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, person_of, wait_until

LONG_AGO = timedelta(days=1, minutes=1)


def entered(**fields: Any) -> Room:
    """A room as entering a free address makes it, a day and a moment ago."""
    blank: dict[str, Any] = {"title": "", "topic": "", "vacant_since": timezone.now() - LONG_AGO}
    return RoomFactory(**blank | fields)


def post(room: Room, user: User, *, joins: bool = True) -> Any:
    return apply([Write(room.pk, user.pk, Post(message="hello"), joins)])[0]


def exists(room: Room) -> bool:
    return Room.objects.filter(pk=room.pk).exists()


@pytest.fixture
def browser(settings: Any, clean_redis: str) -> Iterator[Browser]:
    settings.CHAT_GUESTS = True
    return Browser()


def sign_in(browser: Browser, **traits: Any) -> User:
    user = UserFactory(**traits)
    browser.force_login(user)
    return user


@pytest.mark.django_db
class TestUntilItsFirstMessage:
    def test_it_is_in_nobody_s_list(self, browser: Browser) -> None:
        user = sign_in(browser)
        assert browser.get("/chat/tpyo/").status_code == 200
        room = Room.objects.get()
        assert room.is_vacant
        pages = ["/chat/", "/chat/?part=list&current=tpyo", "/chat/?part=found&name=tpyo"]
        for visitor in (browser, Browser()):
            assert not any("/chat/tpyo/" in visitor.get(page).content.decode() for page in pages)
        assert "There are no rooms yet" in browser.get("/chat/").content.decode()
        assert isinstance(post(room, user), Change)
        for page in pages:  # so that the silence above means something
            assert "/chat/tpyo/" in browser.get(page).content.decode()
        assert "/chat/tpyo/" in Browser().get("/chat/").content.decode()

    def test_a_membership_from_older_code_puts_it_into_no_list(self, browser: Browser) -> None:
        room = entered(slug="tpyo")
        Membership.objects.bulk_create([Membership(room=room, user=sign_in(browser))])
        assert "/chat/tpyo/" not in browser.get("/chat/").content.decode()

    def test_a_member_whom_somebody_gives_it_finds_it_in_their_list(self, browser: Browser) -> None:
        room = entered(slug="tpyo")
        room.memberships.create(user=sign_in(browser))
        assert "/chat/tpyo/" in browser.get("/chat/").content.decode()
        room.refresh_from_db()
        assert not room.is_vacant

    def test_it_makes_nobody_a_member_but_who_writes(self, browser: Browser) -> None:
        user, other = sign_in(browser), UserFactory()
        browser.get("/chat/new/")
        browser.get("/chat/new/")
        room = Room.objects.get()
        assert apply([Write(room.pk, user.pk, Read(seq=7), True)]) == [ReadTo(0)]
        assert not Membership.objects.exists()
        post(room, user)
        assert room.memberships.get().user == user
        room.refresh_from_db()
        assert room.vacant_since is None
        assert not room.memberships.filter(user=other).exists()

    @pytest.mark.parametrize("how", ["write", "read", "enter"])
    def test_others_who_were_there_become_members_later(self, browser: Browser, how: str) -> None:
        room, other = entered(slug="new"), sign_in(browser)
        post(room, UserFactory())
        if how == "write":
            post(room, other)
        elif how == "read":
            assert apply([Write(room.pk, other.pk, Read(seq=1), True)]) == [ReadTo(1)]
        else:
            browser.get("/chat/new/")
        # Who comes only now has it as read; who was there has not, by writing only.
        assert Membership.objects.get(user=other).read_seq == (how != "write")
        post(room, other)
        page = browser.get("/chat/").content.decode()
        assert "/chat/new/" in page
        assert ("unread-dot" in page) == (how == "write")

    def test_who_may_not_write_becomes_no_member_by_trying(self) -> None:
        room, private, user = entered(), RoomFactory(private=True), UserFactory()
        MessageFactory(room=private)
        Sanction.objects.create(user=user, room=room, kind="ban")
        for place in (room, private):
            assert post(place, user).code == "forbidden"
        MessageFactory(room=room)
        apply([Write(each.pk, user.pk, Read(seq=1), True) for each in (room, private)])
        assert not Membership.objects.filter(user=user).exists()

    def test_the_posts_of_members_are_written_as_if_there_were_no_such_rooms(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = MembershipFactory()
        names: list[str] = []
        fetch = posts.fetch

        def named(*calls: Any) -> Any:
            names.extend(statement.prepare.split()[1] for statement, _ in calls)
            return fetch(*calls)

        monkeypatch.setattr(posts, "fetch", named)
        post(one.room, one.user, joins=False)
        assert names[-1] == "chat_post"
        post(one.room, one.user)
        assert names[-1] == "chat_post_and_join"


@pytest.mark.django_db
class TestGoing:
    def test_it_goes_when_it_was_empty_for_a_day_and_its_address_is_free(self) -> None:
        gone, fresh = entered(slug="tpyo"), entered(vacant_since=timezone.now())
        ordinary = RoomFactory(title="", topic="")
        assert vacancy.remove(vacancy.AT_ONCE) == (1, 1)
        assert not exists(gone)
        assert exists(fresh)
        assert exists(ordinary)
        assert entering.find("tpyo", UserFactory()) is None

    @pytest.mark.parametrize(
        "what", ["said", "title", "archive", "member", "sanction", "import", "saved", "private"]
    )
    def test_it_stays_where_somebody_made_something_of_it(self, what: str) -> None:
        room = entered()
        match what:
            case "said":
                MessageFactory(room=room)
            case "title":
                Room.objects.filter(pk=room.pk).update(title="Typos")
            case "archive":
                Room.objects.filter(pk=room.pk).update(is_archived=True)
            case "private":
                Room.objects.filter(pk=room.pk).update(kind="private")
            case "member":
                MembershipFactory(room=room)
            case "sanction":
                Sanction.objects.create(user=UserFactory(), room=room, kind="mute")
            case "import":
                Imported.objects.create(source="slack", key="C1", room=room)
            case "saved":
                room.save()
        unwanted = entered()
        assert vacancy.remove(vacancy.AT_ONCE)[1] == 1
        assert not exists(unwanted)
        assert Room.objects.get(pk=room.pk).vacant_since is None
        assert vacancy.remove(vacancy.AT_ONCE) == (0, 0)

    def test_it_stays_while_somebody_comes_or_sits_there(self, browser: Browser) -> None:
        visited, empty = entered(slug="tpyo"), entered()
        browser.get("/chat/tpyo/")
        vacancy.remove(vacancy.AT_ONCE)
        assert exists(visited)
        assert not exists(empty)
        Room.objects.update(vacant_since=timezone.now() - LONG_AGO)
        vacancy.note_people([visited.pk])
        assert vacancy.remove(vacancy.AT_ONCE) == (0, 0)

    async def test_a_process_notes_where_it_has_somebody(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noted: list[Any] = []
        monkeypatch.setattr("chat.online.vacant_rooms.note_people", noted.append)
        await Occupancy(lambda: {5, 7}).work()
        await Occupancy(set).work()
        assert noted == [{5, 7}]

    async def test_those_are_where_it_has_somebody_who_is_no_member(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noted: list[Any] = []
        monkeypatch.setattr("chat.online.vacant_rooms.note_people", noted.append)
        process = Process()
        sits = [(1, 5, False), (1, 6, True), (2, 6, True), (2, 7, False), (3, 7, True)]
        for user, room, is_member in sits:
            one: Any = Mock(user=Person(user, "x"), room_id=room, is_member=is_member)
            process.connections.add(one)
        await process.occupancy.work()
        assert noted == [{5, 7}]

    def test_each_new_room_takes_some_of_them_away(self, browser: Browser) -> None:
        rooms = [entered() for _ in range(entering.SWEPT + 3)]
        browser.get("/chat/new/")
        assert sum(map(exists, rooms)) == 3
        browser.get("/chat/new/")  # it is there
        assert sum(map(exists, rooms)) == 3

    def test_a_command_takes_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vacancy, "AT_ONCE", 2)
        rooms, kept = [entered() for _ in range(5)], MessageFactory().room
        out = StringIO()
        call_command("remove_empty_rooms", stdout=out)
        assert "Removed 5 rooms" in out.getvalue()
        assert not any(map(exists, rooms))
        assert exists(kept)
        out = StringIO()
        call_command("remove_empty_rooms", quiet=True, stdout=out)
        assert out.getvalue() == ""


# -- at the same moment -----------------------------------------------------------------------


def test_a_room_in_which_somebody_is_just_writing_stays(cast: Cast) -> None:
    room = entered()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            post(room, cast.outsider)
            pool.submit(meanwhile, vacancy.remove, vacancy.AT_ONCE).result(20)
        assert room.messages.count() == 1
    assert vacancy.remove(vacancy.AT_ONCE)[1] == 0
    assert room.messages.count() == 1


def test_what_is_written_into_a_room_that_is_just_going_is_refused_and_may_be_sent_again(
    cast: Cast,
) -> None:
    room = entered()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert vacancy.remove(vacancy.AT_ONCE)[1] == 1
            writing = pool.submit(meanwhile, post, room, cast.outsider)
            wait_until(waits, "nobody waits")
        outcome = writing.result(20)
    assert isinstance(outcome, Gone)
    assert (outcome.code, outcome.retry_after) == ("unavailable", 2.0)


# -- with servers -----------------------------------------------------------------------------


def new_slug() -> str:
    return f"new-{uuid4().hex[:8]}"


def test_two_browsers_at_any_address_talk(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Any
) -> None:
    """As the Channels tutorial has it; each on another process."""
    slug = new_slug()
    one, other = enter(chat, slug, cast.member), enter(second, slug, cast.outsider)
    room = Room.objects.get(slug=slug)
    other.had("presence.state")
    one.had("presence.joined", user=person_of(cast.outsider))
    other.send(type="chat.typing")
    one.until("chat.typing")
    assert other.asks(type="chat.read", seq=0)["seq"] == 0
    assert not room.memberships.exists()
    one.say("hello")
    other.until("chat.message", message="hello")
    assert [each.user for each in room.memberships.all()] == [cast.member]
    assert other.asks(type="chat.read", seq=1)["seq"] == 1
    assert room.memberships.get(user=cast.outsider).read_seq == 1


def test_a_tab_that_sits_in_a_room_that_went_opens_it_again(
    chat: ChatServer, cast: Cast, enter: Any
) -> None:
    slug = new_slug()
    client = enter(chat, slug, cast.member)
    Room.objects.filter(slug=slug).delete()
    key = str(uuid4())
    with suppress(ConnectionClosed):  # where the check of newcomers was faster
        refused = client.asks(message="hello", client_id=key)
        assert (refused["type"], refused["code"]) == ("error", "unavailable")
    assert client.close_code() == 1000  # on which clients come back
    again = enter(chat, slug, cast.member, since=0)
    again.send(message="hello", client_id=key)
    assert again.until("chat.message", client_id=key)["seq"] == 1
    assert Room.objects.get(slug=slug).message_count == 1


@pytest.mark.parametrize("does", ["nothing", "reacts", "types", "reads nothing", "is refused"])
def test_who_is_no_member_leaves_a_room_that_turns_private_before_they_learn_of_it(
    chat: ChatServer, cast: Cast, enter: Any, does: str
) -> None:
    slug = new_slug()
    member, stranger = enter(chat, slug, cast.member), enter(chat, slug, cast.outsider)
    message = member.say("hello")
    match does:
        case "reacts":
            stranger.asks(type="chat.react", id=message["id"], emoji="👍")
        case "types":
            stranger.send(type="chat.typing")
        case "reads nothing":
            stranger.asks(type="chat.read", seq=0)
        case "is refused":
            assert stranger.asks(message="hello", reply_to=2**40)["type"] == "error"
    room = Room.objects.get(slug=slug)
    script = f"room = Room.objects.get(pk={room.pk}); room.kind = 'private'; room.save()"
    chat.manage("shell", "--no-imports", "-c", f"from chat.models import Room; {script}")
    room.refresh_from_db()
    assert member.until("room.updated")["room"]["slug"] == room.slug != slug
    assert stranger.close_code() == 1000
    assert room.slug not in str(stranger.frames)
    assert "room.updated" not in str(stranger.frames)
    with Client(chat, slug, cast.outsider) as client:
        assert client.close_code() == 4404
    with Client(chat, slug, cast.member) as client:
        assert client.next()["room"]["slug"] == room.slug


# -- who may, and how often -------------------------------------------------------------------

PEOPLE = {"guest": {"guest": True}, "member": {}, "moderator": {"staff": True}}


@pytest.mark.django_db
class TestWhoMay:
    @pytest.mark.parametrize(
        ("left_to", "allowed"),
        [
            ("anybody", ["nobody", "guest", "member", "moderator"]),
            ("members", ["member", "moderator"]),
            ("moderators", ["moderator"]),
        ],
    )
    def test_new_rooms_are_left_to(
        self, browser: Browser, settings: Any, left_to: str, allowed: list[str]
    ) -> None:
        settings.CHAT_NEW_ROOMS = left_to
        made = []
        for who, traits in [("nobody", None), *PEOPLE.items()]:
            visitor = Browser()
            if traits is not None:
                sign_in(visitor, **traits)
            page = visitor.get("/chat/").content.decode()
            assert ("it is created" in page) == (who in allowed)
            for method in (visitor.head, visitor.get):
                code = method(f"/chat/new-{who}/").status_code
                assert code == (200 if who in allowed else 404)
            if code == 200:
                made.append(who)
        assert made == allowed
        assert Room.objects.count() == len(allowed)
        assert User.objects.filter(is_guest=True).count() == (2 if left_to == "anybody" else 1)

    @pytest.mark.parametrize(("who", "let_in"), [("guest", False), ("member", True)])
    def test_a_socket_is_told_no_more_than_a_page(
        self, settings: Any, who: str, let_in: bool
    ) -> None:
        settings.CHAT_NEW_ROOMS = "members"
        person = UserFactory(**PEOPLE[who])
        if let_in:
            assert admission.enter_as(person, "new", "192.0.2.1").room.slug == "new"
            return
        for refused in (
            lambda: admission.enter_as(person, "new", "192.0.2.1"),
            lambda: admission.look("new"),
        ):
            with pytest.raises(Rejected) as turned:
                refused()
            assert (turned.value.code, turned.value.detail) == (4404, "There is no such room.")

    def test_where_they_are_left_to_others_the_rooms_that_are_there_are_open_to_all(
        self, browser: Browser, settings: Any
    ) -> None:
        settings.CHAT_NEW_ROOMS = "moderators"
        RoomFactory(slug="lobby")
        assert browser.get("/chat/lobby/").status_code == 200

    def test_one_person_makes_so_many_from_wherever(self, browser: Browser, settings: Any) -> None:
        settings.CHAT_NEW_ROOMS_PER_PERSON = "2/minute"
        sign_in(browser)
        places = [f"192.0.2.{n}" for n in range(4)]
        codes = [
            browser.get(f"/chat/{n}/", REMOTE_ADDR=at).status_code for n, at in enumerate(places)
        ]
        assert codes == [200, 200, 429, 429]
        assert browser.get("/chat/0/").status_code == 200
        assert Room.objects.count() == 2
        sign_in(browser)
        assert browser.get("/chat/3/").status_code == 200

    def test_one_address_makes_so_many_whoever_they_are(
        self, browser: Browser, settings: Any
    ) -> None:
        settings.CHAT_NEW_ROOMS_PER_ADDRESS = "2/minute"
        codes = [Browser().get(f"/chat/room-{n}/").status_code for n in range(3)]
        assert codes == [200, 200, 429]
        assert Browser().get("/chat/room-2/", REMOTE_ADDR="192.0.2.7").status_code == 200


def test_a_guest_counts_over_all_processes(
    start_server: Any, chat_database: str, cast: Cast
) -> None:
    env = {"DATABASE_URL": chat_database, "CHAT_NEW_ROOMS_PER_PERSON": "2/hour"}
    one = start_server(env=env)
    other = start_server(env={"CHAT_NEW_ROOMS_PER_PERSON": "2/hour"}, beside=one)
    slugs = [new_slug() for _ in range(3)]
    for server, slug in zip((one, other), slugs, strict=False):
        with Client(server, slug, cast.member) as client:
            client.until("presence.state")
    for server in (one, other):
        with Client(server, slugs[2], cast.member) as client:
            assert client.close_code() == 4429
    assert Room.objects.filter(slug__in=slugs).count() == 2
