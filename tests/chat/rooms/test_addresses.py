"""The address of a room in which something was said is never free again, and tells nothing to those
who may not read."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client as Browser

from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import Address, Room, Sanction
from chat.models.slugs import is_unguessable
from chat.protocol.errors import Rejected
from chat.rooms import admission, entering, slugs
from core.accounts.identity import Claim
from core.models import User
from tests.chat.rooms_of_before import with_guessable_address
from tests.support.meanwhile import meanwhile, waits
from tests.support.servers import ChatServer
from tests.support.sockets import Cast, Client, cast_of, wait_until

CROWDED = 20.0  # seconds
Change = Callable[[Room, str, str], object]


def save(room: Room, field: str, value: str) -> None:
    setattr(room, field, value)
    room.save()


def save_one(room: Room, field: str, value: str) -> None:
    setattr(room, field, value)
    room.save(update_fields=[field])


def update(room: Room, field: str, value: str) -> None:
    Room.objects.filter(pk=room.pk).update(**{field: value})


def by_sql(room: Room, field: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE chat_room SET {field} = %s WHERE id = %s", [value, room.pk])


ways = pytest.mark.parametrize("change", [save, save_one, update, by_sql])


def said_in(slug: str, **fields: Any) -> Room:
    return MessageFactory(room=RoomFactory(slug=slug, **fields)).room


@pytest.mark.django_db
class TestKept:
    @ways
    def test_an_address_of_before_leads_to_the_room_and_is_no_other_s(self, change: Change) -> None:
        room, user = said_in("a"), UserFactory()
        for slug in ("b", "c"):
            change(room, "slug", slug)
        for slug in ("a", "b", "c"):
            assert entering.find(slug, user) == room
        for slug in ("a", "b"):
            with pytest.raises(IntegrityError), transaction.atomic():
                Room.objects.create(slug=slug)
            with pytest.raises(IntegrityError), transaction.atomic():
                change(RoomFactory(), "slug", slug)
        change(room, "slug", "a")  # it may take its own back
        assert entering.find("c", user) == Room.objects.get(slug="a") == room

    def test_nobody_misses_the_address_of_an_open_room_in_which_nothing_was_said(self) -> None:
        room = RoomFactory(slug="a")
        save(room, "slug", "b")
        assert entering.find("a", UserFactory()) is None
        room.delete()
        assert entering.find("b", UserFactory()) is None
        assert not Address.objects.exists()

    def test_members_would_miss_that_of_a_private_one(self) -> None:
        room = RoomFactory(private=True)
        before = room.slug
        save(room, "slug", "private--" + "b" * 16)
        member = MembershipFactory(room=room).user
        assert entering.find(before, member) == room

    def test_a_room_that_is_gone_leaves_its_addresses_taken(self) -> None:
        room = said_in("a")
        save(room, "slug", "b")
        room.messages.all().delete()
        room.delete()
        for slug in ("a", "b"):
            with pytest.raises(entering.NoSuchRoom):
                entering.find(slug, UserFactory())
            with pytest.raises(IntegrityError), transaction.atomic():
                Room.objects.create(slug=slug)

    def test_two_rooms_do_not_swap(self) -> None:
        one, other = said_in("a"), said_in("b")
        save(one, "slug", "c")
        with pytest.raises(IntegrityError), transaction.atomic():
            save(other, "slug", "a")
        other.refresh_from_db()
        assert other.slug == "b"


@pytest.mark.django_db
class TestPrivate:
    @ways
    def test_an_open_room_that_turns_private_is_where_nobody_guesses(self, change: Change) -> None:
        room = said_in("party")
        member, outsider = MembershipFactory(room=room).user, UserFactory()
        change(room, "kind", "private")
        told = room.slug
        room.refresh_from_db()
        assert is_unguessable(room.slug)
        assert room.slug.startswith("private--")
        assert told == room.slug or change in (update, by_sql)
        assert entering.find("party", member) == room
        with pytest.raises(entering.NoSuchRoom):
            entering.find("party", outsider)

    def test_a_private_room_has_no_address_that_somebody_chose(self) -> None:
        made = Room.objects.create(slug="board", kind="private")
        assert is_unguessable(made.slug)
        Room.objects.bulk_create([Room(slug="board", kind="private")])
        update(made, "slug", "board")
        save(made, "slug", "the-board")
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO chat_room (slug, kind, title, topic, head, message_count,"
                " is_archived, slow_mode_seconds, created_at)"
                " VALUES ('board', 'private', '', '', 0, 0, false, 0, now())"
            )
        rooms = Room.objects.values_list("slug", flat=True)
        assert len(rooms) == 3
        assert all(map(is_unguessable, rooms))
        assert entering.find("board", UserFactory()) is None

    def test_one_that_was_at_such_an_address_before_stays_there_until_it_moves(self) -> None:
        room = with_guessable_address(RoomFactory(private=True), "board")
        room.title = "Ours"
        room.save()
        MessageFactory(room=room)
        room.refresh_from_db()
        assert (room.slug, room.title) == ("board", "Ours")
        save(room, "slug", "the-board")
        assert is_unguessable(room.slug)

    def test_one_that_turns_open_may_have_an_address_that_people_know(self) -> None:
        room = RoomFactory(private=True)
        before = room.slug
        room.kind, room.slug = "open", "party"
        room.save()
        assert entering.find("party", UserFactory()) == entering.find(before, UserFactory()) == room


# -- at the same moment -----------------------------------------------------------------------


def test_who_makes_a_room_of_an_address_while_the_room_there_gets_another_comes_into_that_one(
    cast: Cast,
) -> None:
    MessageFactory(room=cast.room)
    old = cast.room.slug
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            save(cast.room, "slug", f"{old}-new")
            making = pool.submit(
                meanwhile, lambda: entering.create(old, cast.outsider, "192.0.2.1")
            )
            wait_until(waits, "nobody waits")
        assert making.result(CROWDED) == cast.room
    assert Room.objects.filter(slug__startswith=old).count() == 1


def test_who_makes_a_private_room_s_address_a_room_meanwhile_makes_none(cast: Cast) -> None:
    MessageFactory(room=cast.room)
    old = cast.room.slug
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            save(cast.room, "kind", "private")

            def make() -> Any:
                with pytest.raises(entering.NoSuchRoom):
                    entering.create(old, cast.outsider, "192.0.2.1")

            making = pool.submit(meanwhile, make)
            wait_until(waits, "nobody waits")
        making.result(CROWDED)
    assert not Room.objects.filter(slug=old).exists()


def test_a_room_does_not_get_an_address_that_was_another_s_until_a_moment_ago(cast: Cast) -> None:
    other = said_in(f"{cast.room.slug}-other")
    MessageFactory(room=cast.room)
    old = cast.room.slug

    def take() -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            save(other, "slug", old)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            save(cast.room, "slug", f"{old}-new")
            taking = pool.submit(meanwhile, take)
            wait_until(waits, "nobody waits")
        taking.result(CROWDED)


def test_two_rooms_that_trade_addresses_at_once_keep_theirs(cast: Cast) -> None:
    """Over 1 s: so long PostgreSQL waits before it looks for a deadlock."""
    rooms = [cast.room, said_in(f"{cast.room.slug}-other")]
    MessageFactory(room=cast.room)
    slugs = [room.slug for room in rooms]
    both = Barrier(2)

    def take(room: Room, slug: str) -> None:
        with transaction.atomic():
            # so that each holds what the other needs
            Room.objects.select_for_update().get(pk=room.pk)
            both.wait(CROWDED)
            by_sql(room, "slug", slug)

    with ThreadPoolExecutor(2) as pool:
        taking = [
            pool.submit(meanwhile, partial(take, *pair))
            for pair in zip(rooms, reversed(slugs), strict=True)
        ]
        errors = [each.exception(CROWDED) for each in taking]
    assert all(isinstance(error, DatabaseError) for error in errors)
    for room, slug in zip(rooms, slugs, strict=True):
        assert Room.objects.get(pk=room.pk).slug == slug
        assert Address.objects.get(slug=slug).room == room


# -- forbidden and absent ---------------------------------------------------------------------

SECRET, NOTHING = "private--7k2m9p4q8r3s6t5v", "private--7k2m9p4q8r3s6t5w"
DIRECT, NO_DIRECT = "direct--7k2m9p4q8r3s6t5v", "direct--7k2m9p4q8r3s6t5w"
# What is asked for, in {}: as it is, and as a hand, a mail program or an attacker may write it.
SPELLINGS = {
    "as it is": lambda slug: slug,
    "in capitals": str.upper,
    "with a capital": str.capitalize,
    "in wide letters": lambda slug: "ｐｄ"[slug[0] == "d"] + slug[1:],
    "with a hyphen more": lambda slug: slug + "-",
    "with an underscore before": lambda slug: "_" + slug,
    "with a mark that nobody sees": lambda slug: slug + "\ufe0f",
    "with a letter more": lambda slug: slug + "x",
    "with a letter less": lambda slug: slug[:-2] + slug[-1],
    "after a space that nobody sees": lambda slug: "\u200b" + slug,
    "after a hyphen": lambda slug: "-" + slug,
    "with a soft hyphen": lambda slug: slug[0] + "\u00ad" + slug[1:],
    "with a break of the line": lambda slug: slug.replace("--", "-\u200b-"),
    "with a dash": lambda slug: slug.replace("--", "—"),
    "with two dashes": lambda slug: slug.replace("--", "––"),
    "with one hyphen": lambda slug: slug.replace("--", "-"),
}
MISTAKES = {"with a letter more", "with a letter less"}
VISITORS = ("outsider", "guest", "banned", "removed", "nobody")


def a_secret(slug: str) -> Room:
    """A room that is not for the visitors, now or before at this address."""
    people = UserFactory.create_batch(2)
    if slug.startswith("direct"):
        low, high = people
        return MessageFactory(
            room=RoomFactory(direct=True, direct_low=low, direct_high=high, slug=slug)
        ).room
    room = RoomFactory(private=True, slug=slug)
    MembershipFactory(room=room, user=people[0])
    return MessageFactory(room=room).room


def visitor(who: str, room: Room) -> User | None:
    if who == "nobody":
        return None
    person = UserFactory(guest=who == "guest")
    if who == "banned":
        Sanction.objects.create(user=person, kind="ban")
    if who == "removed":
        MembershipFactory(room=room, user=person).delete()
    return person


def answer(browser: Browser, method: str, slug: str, plain: str) -> tuple[Any, ...]:
    """All that a visitor gets, without the address that they asked for."""
    response = getattr(browser, method)(f"/chat/{quote(slug)}/")

    def anonymous(text: str) -> str:
        for part in (quote(slug), slug, slugs.slug_for(slug), quote(slugs.slug_for(slug))):
            text = text.replace(part, "…") if part else text
        return text

    headers = {name: anonymous(value) for name, value in response.headers.items()}
    headers.pop("Expires")  # the time of day
    cookies = {name for name, morsel in response.cookies.items() if morsel.value}
    return response.status_code, headers, cookies, anonymous(response.content.decode())


def come_in(person: User | None, slug: str) -> None:
    """As the consumer lets a socket in."""
    if person is None:
        admission.look(slug)
    else:
        admission.enter(Claim(person.pk, person.get_session_auth_hash()), slug, "192.0.2.1")


@pytest.mark.django_db
@pytest.mark.parametrize("who", VISITORS)
class TestAlike:
    @pytest.fixture(autouse=True)
    def _guests(self, settings: Any, clean_redis: str) -> None:
        settings.CHAT_GUESTS = True

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize("pair", [(SECRET, NOTHING), (DIRECT, NO_DIRECT)])
    def test_a_page(self, who: str, spelling: str, pair: tuple[str, str], asked: list[str]) -> None:
        room = a_secret(pair[0])
        self.compare(visitor(who, room), [SPELLINGS[spelling](slug) for slug in pair], asked)

    def test_the_page_of_an_address_of_before(self, who: str, asked: list[str]) -> None:
        room = a_secret(SECRET)
        person = visitor(who, room)
        save(room, "slug", "private--" + "z" * 16)
        answers = self.compare(person, [SECRET, NOTHING], asked)
        assert answers[0][0] == 404

    def test_that_of_a_room_from_before_with_capitals(self, who: str, asked: list[str]) -> None:
        room = with_guessable_address(a_secret(SECRET), "Board")
        person = visitor(who, room)
        self.compare(person, ["Board", "Bored"], asked)

    @pytest.mark.parametrize("before", [True, False])
    def test_all_of_them_where_new_rooms_are_left_to_moderators(
        self, who: str, before: bool, asked: list[str], settings: Any
    ) -> None:
        settings.CHAT_NEW_ROOMS = "moderators"
        room = with_guessable_address(a_secret(SECRET), "board")
        person = visitor(who, room)
        if before:
            save(room, "slug", SECRET)
        answers = self.compare(person, ["board", "bored"], asked)
        assert answers[0][0] == 404

    def compare(self, person: User | None, slugs: list[str], asked: list[str]) -> list[Any]:
        browser = Browser()
        if person is not None:
            browser.force_login(person)
        rooms, people = Room.objects.count(), User.objects.count()
        answers = []
        for method in ("get", "head"):
            for slug in slugs:
                asked.clear()
                answers.append((*answer(browser, method, slug, slugs[0]), list(asked)))
        assert answers[0] == answers[1]
        assert answers[2] == answers[3]
        assert answers[0][0] == answers[2][0]
        assert answers[0][0] in (302, 404)
        assert (Room.objects.count(), User.objects.count()) == (rooms, people)
        return answers

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize("pair", [(SECRET, NOTHING), (DIRECT, NO_DIRECT)])
    def test_a_socket(
        self, who: str, spelling: str, pair: tuple[str, str], asked: list[str]
    ) -> None:
        room = a_secret(pair[0])
        person = visitor(who, room)
        answers = []
        for slug in map(SPELLINGS[spelling], pair):
            asked.clear()
            with pytest.raises(Rejected) as turned:
                come_in(person, slug)
            answers.append((turned.value.code, turned.value.detail, list(asked)))
        assert answers == [(4404, "There is no such room.", ["chat_address"])] * 2


@pytest.mark.django_db
class TestSpelled:
    """An address that we made is itself, however it is written: an open room at another spelling
    would look the same, and who looks for theirs would write in it for everybody."""

    @pytest.fixture(autouse=True)
    def _guests(self, settings: Any, clean_redis: str) -> None:
        settings.CHAT_GUESTS = True

    @pytest.fixture
    def member(self) -> Browser:
        browser = Browser()
        browser.force_login(MembershipFactory(room=a_secret(SECRET)).user)
        return browser

    @pytest.mark.parametrize("spelling", sorted(SPELLINGS.keys() - MISTAKES))
    def test_it_leads_members_to_their_room(self, member: Browser, spelling: str) -> None:
        spelled = SPELLINGS[spelling](SECRET)
        page = member.get(f"/chat/{quote(spelled)}/", follow=True)
        assert page.status_code == 200
        assert page.wsgi_request.path == f"/chat/{SECRET}/"
        typed = member.get("/chat/", {"name": spelled}, follow=True)
        assert typed.wsgi_request.path == f"/chat/{SECRET}/"
        assert Room.objects.count() == 1

    @pytest.mark.parametrize(
        "typed",
        [
            f"{SECRET}",
            f" {SECRET.upper()} ",
            SECRET.replace("--", "-- "),
            f"/chat/{SECRET}/",
            f"http://testserver/chat/{SECRET}/",
            f"https://TestServer/chat/{SECRET.replace('--', '%2D%2d')}?since=1#end",
            f"testserver/chat/{SECRET}",
        ],
    )
    def test_the_box_takes_it_as_it_is_copied(self, member: Browser, typed: str) -> None:
        for browser, status in ((member, 200), (Browser(), 404)):
            answer = browser.get("/chat/", {"name": typed}, follow=True)
            assert answer.redirect_chain == [(f"/chat/{SECRET}/", 302)]
            assert answer.status_code == status
        assert Room.objects.count() == 1
        assert not User.objects.filter(is_guest=True).exists()

    @pytest.mark.parametrize("rest", ["7k2m9p4q8r3s6t5v", "0123456789abcdef" * 2])
    @pytest.mark.parametrize("kind", ["private", "direct"])
    def test_no_open_room_comes_into_being_there(self, kind: str, rest: str) -> None:
        slug, person = f"{kind}--{rest}", UserFactory()
        browser = Browser()
        for spell in (SPELLINGS[each] for each in SPELLINGS.keys() - MISTAKES):
            assert slugs.slug_for(spell(slug)) == slug
            for answer in (
                browser.get(f"/chat/{quote(spell(slug))}/", follow=True),
                browser.get("/chat/", {"name": spell(slug)}, follow=True),
            ):
                assert answer.status_code == 404
            for who in (person, None):
                with pytest.raises(Rejected):
                    come_in(who, spell(slug))
        browser.force_login(person)
        assert browser.get(f"/chat/{slug}/").status_code == 404
        assert not Room.objects.exists()
        assert User.objects.count() == 1

    @pytest.mark.parametrize("spelling", sorted(MISTAKES))
    def test_with_a_mistake_it_leads_nowhere(self, member: Browser, spelling: str) -> None:
        for slug in map(SPELLINGS[spelling], (SECRET, SECRET.upper(), "\u200b" + SECRET)):
            assert member.get(f"/chat/{quote(slug)}/").status_code == 404
        typed = member.get("/chat/", {"name": SPELLINGS[spelling](SECRET)}, follow=True)
        assert typed.status_code == 404
        assert Room.objects.count() == 1

    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Private party", "private-party"),
            ("private", "private"),
            ("private-" + "a" * 15, "private-" + "a" * 15),
            ("private-" + "o" * 16, "private-" + "o" * 16),  # not one of the signs
            ("direct-" + "f" * 31, "direct-" + "f" * 31),
            ("a private " + "a" * 16, "a-private-" + "a" * 16),
        ],
    )
    def test_other_names_are_as_ever(self, name: str, slug: str) -> None:
        assert slugs.slug_for(name) == slug

    def test_what_reads_so_once_it_is_cut_is_one_too(self) -> None:
        name = "private" + "_" * 57 + "a" * 16 + "x"
        assert slugs.slug_for(name) == "private--" + "a" * 16


@pytest.mark.django_db
class TestTyped:
    """What stands in the box leads to a room of before that has capitals, and to none beside it."""

    @pytest.fixture(autouse=True)
    def _guests(self, settings: Any, clean_redis: str) -> None:
        settings.CHAT_GUESTS = True

    def chain(self, person: User | None, name: str) -> tuple[list[str], int]:
        browser = Browser()
        if person is not None:
            browser.force_login(person)
        answer = browser.get("/chat/", {"name": name}, follow=True)
        return [url for url, _ in answer.redirect_chain], answer.status_code

    def test_a_private_room_of_before_is_its_members_and_looks_free_to_others(self) -> None:
        room = with_guessable_address(a_secret(SECRET), "Board")
        member = MembershipFactory(room=room).user
        assert self.chain(member, "Board") == (["/chat/Board/"], 200)
        assert not Room.objects.filter(slug="board").exists()
        for who in ("outsider", "guest", "removed", "nobody"):
            person = visitor(who, room)
            assert self.chain(person, "Board") == (["/chat/Board/", "/chat/board/"], 200)
            assert self.chain(person, "Bored") == (["/chat/Bored/", "/chat/bored/"], 200)

    def test_an_open_room_that_turned_private_leads_its_members_on(self) -> None:
        room = said_in("Board")
        member = MembershipFactory(room=room).user
        save(room, "kind", "private")
        assert self.chain(member, "Board") == (["/chat/Board/", f"/chat/{room.slug}/"], 200)

    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("/chat/Öl & Gas/", "öl-gas"),
            ("http://testserver/chat/%C3%B6l%00/", "öl"),
            ("/chat/%ff/", ""),
            ("http://elsewhere/chat/tea/", "httpelsewherechattea"),
            ("/chat/", "chat"),
            ("tea/chat/", "teachat"),
        ],
    )
    def test_a_link_to_a_room_of_this_site_opens_it(self, name: str, slug: str) -> None:
        MessageFactory(room__slug=slug or "tea")
        found = Browser().get("/chat/", {"part": "found", "name": name})
        assert bool(slug) is (f"/chat/{quote(slug)}/" in found.content.decode())
        chain, _ = self.chain(None, name)
        assert chain[-1:] == ([f"/chat/{quote(slug)}/"] if slug else [])


def test_what_comes_over_a_socket_is_alike_too(chat: ChatServer, cast: Cast) -> None:
    private = cast_of(private=True)
    MessageFactory(room=private.room)
    old = private.room.slug
    update(private.room, "slug", "private--" + "y" * 16)
    with Client(chat, old, private.member) as client:  # somebody may
        assert client.next()["room"]["slug"] == "private--" + "y" * 16
    came = []
    for slug in (old, private.room.slug, NOTHING, "-no-such-room-"):
        for user in (private.outsider, None):
            with Client(chat, slug, user) as client:
                code = client.close_code()
            came.append((code, client.payloads))
    assert came == [came[0]] * 8
    assert came[0][0] == 4404


# -- those who may read -----------------------------------------------------------------------


@pytest.mark.django_db
class TestLeads:
    def test_a_page_of_before_leads_to_the_one_of_now(self, settings: Any) -> None:
        settings.CHAT_GUESTS = True
        room = said_in("lobby")
        save(room, "slug", "salon")
        for method in ("get", "head"):
            response = getattr(Browser(), method)("/chat/lobby/")
            assert (response.status_code, response["Location"]) == (302, "/chat/salon/")
            assert "no-store" in response["Cache-Control"]
        assert Browser().get("/chat/Lobby/", follow=True).redirect_chain[-1][0] == "/chat/salon/"
        assert not User.objects.filter(is_guest=True, memberships=None).exists()

    def test_only_members_are_led_to_a_private_room(self, settings: Any) -> None:
        settings.CHAT_GUESTS = True
        room = said_in("board")
        member = MembershipFactory(room=room).user
        save(room, "kind", "private")
        browser = Browser()
        browser.force_login(member)
        assert browser.get("/chat/board/")["Location"] == f"/chat/{room.slug}/"
        assert Browser().get("/chat/board/").status_code == 404
        assert entering.find("board", member) == room
        with pytest.raises(entering.NoSuchRoom):
            entering.find("board", AnonymousUser())


RENAME = (
    "from chat.models import Room; room = Room.objects.get(pk={pk});"
    " room.slug = '{slug}'; room.kind = '{kind}'; room.save()"
)


def test_open_sockets_hear_of_another_address_and_come_back_to_either(
    chat: ChatServer, second: ChatServer, cast: Cast, enter: Any
) -> None:
    clients = [enter(server, cast.room, cast.member) for server in (chat, second)]
    clients[0].say("hello")
    old, new = cast.room.slug, f"{cast.room.slug}-new"
    script = RENAME.format(pk=cast.room.pk, slug=new, kind="open")
    chat.manage("shell", "--no-imports", "-c", script)
    for client in clients:
        assert client.until("room.updated")["room"]["slug"] == new
        client.say(f"here as before {client is clients[0]}")
    for slug in (old, new):
        back = enter(second, slug, cast.member, since=1)
        history = back.frames[0]
        assert (history["room"]["slug"], history["head"]) == (new, 3)
    assert not Room.objects.filter(slug=old).exists()
