from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection
from django.test import Client
from django.utils import timezone

from chat.admin.rooms import RoomAdmin, RoomForm
from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.live import bus
from chat.models import Address, AuditEntry, Membership, Message, Room, Sanction
from chat.models.slugs import is_unguessable
from chat.rooms.entering import find
from core.models import User
from tests.chat.admin.pages import Look, at
from tests.chat.rooms_of_before import with_guessable_address

pytestmark = pytest.mark.django_db


def room_form(room: Room, **changes: Any) -> dict[str, Any]:
    form = {"slug": room.slug, "title": room.title, "topic": "", "kind": room.kind}
    return {**form, "slow_mode_seconds": 0, **changes}


def test_a_room_can_be_archived_and_its_log_cannot_be_touched(moderator: Client) -> None:
    room = MessageFactory().room
    form = room_form(room, is_archived="on", head=99, message_count=99)
    response = moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    assert response.status_code == 302
    room.refresh_from_db()
    assert room.is_archived
    assert (room.head, room.message_count) == (1, 1)


@pytest.mark.parametrize("fields", [None, ["title"]])
def test_a_room_that_was_read_before_somebody_wrote_does_not_turn_its_log_back(
    fields: list[str] | None,
) -> None:
    room = RoomFactory()
    MessageFactory.create_batch(2, room=Room.objects.get(pk=room.pk))
    room.title = "New"
    room.save(update_fields=fields)
    room.refresh_from_db()
    assert (room.title, room.head, room.message_count) == ("New", 2, 2)
    assert MessageFactory(room=room).seq == 3


def test_no_room_becomes_direct_and_a_direct_one_stays_so(moderator: Client) -> None:
    room, direct = RoomFactory(), RoomFactory(direct=True)
    for target, kind in ((room, "direct"), (direct, "open")):
        form = room_form(target, kind=kind)
        moderator.post(f"/admin/chat/room/{target.pk}/change/", form, secure=True)
        before = target.kind
        target.refresh_from_db()
        assert target.kind == before


def test_a_direct_room_stays_where_it_is(moderator: Client) -> None:
    direct = RoomFactory(direct=True)
    form = room_form(direct, slug="us-two", is_archived="on")
    moderator.post(f"/admin/chat/room/{direct.pk}/change/", form, secure=True)
    kept = Room.objects.get()
    assert (kept.slug, kept.is_archived) == (direct.slug, True)


def test_only_a_superuser_opens_a_private_room(moderator: Client) -> None:
    """What was said in it would be everybody's."""
    room = RoomFactory(private=True)
    address, form = f"/admin/chat/room/{room.pk}/change/", {"kind": "open", "title": "Ours"}
    assert moderator.post(address, room_form(room, **form), secure=True).status_code == 302
    room.refresh_from_db()
    assert (room.kind, room.title) == ("private", "Ours")
    before = room.slug
    moderator.post(address, room_form(room, **form, slug="ours"), secure=True)
    room.refresh_from_db()
    assert room.slug == before
    moderator.force_login(UserFactory(is_staff=True, is_superuser=True))
    moderator.post(address, room_form(room, **form, slug="ours"), secure=True)
    room.refresh_from_db()
    assert (room.kind, room.slug) == ("open", "ours")
    assert {each.slug for each in room.addresses.all()} == {"ours", before}


def test_a_moderator_makes_an_open_room_private(moderator: Client) -> None:
    room = RoomFactory()
    form = room_form(room, kind="private")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    before = room.slug
    room.refresh_from_db()
    assert room.kind == "private"
    assert is_unguessable(room.slug)
    page = moderator.get(f"/admin/chat/room/{room.pk}/change/", secure=True).content.decode()
    assert before in page  # it led here, and still does for members


def test_a_private_room_without_an_address_gets_one_that_nobody_guesses(moderator: Client) -> None:
    form = {"title": "Party", "kind": "private", "slug": "", "slow_mode_seconds": 0}
    for _ in range(2):
        assert moderator.post("/admin/chat/room/add/", form, secure=True).status_code == 302
    slugs = set(Room.objects.values_list("slug", flat=True))
    assert len(slugs) == 2
    assert all(len(slug) == len("private--") + 16 for slug in slugs)
    page = moderator.post("/admin/chat/room/add/", form | {"kind": "open"}, secure=True)
    assert "An open room needs an address" in page.content.decode()
    page = moderator.post("/admin/chat/room/add/", form | {"slug": "party"}, secure=True)
    assert "a private room gets a generated address" in page.content.decode()
    assert Room.objects.count() == 2


def test_an_address_of_before_is_not_given_to_another_room(moderator: Client) -> None:
    room, other = MessageFactory(room__slug="party").room, RoomFactory()
    form = room_form(room, slug="feast")
    assert (
        moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True).status_code == 302
    )
    form = room_form(other, slug="party")
    for address in (f"{other.pk}/change/", "add/"):
        page = moderator.post(f"/admin/chat/room/{address}", form, secure=True)
        assert "This address is used, or was used, by another room." in page.content.decode()
    form = room_form(room)  # its own it may have back
    assert (
        moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True).status_code == 302
    )
    room.refresh_from_db()
    assert room.slug == "party"


@pytest.mark.parametrize(
    ("slug", "problem"),
    [
        ("Board", "Write it as “board”"),
        ("ﬁsh", "Write it as “fish”"),
        ("a--b", "Write it as “a-b”"),
        ("-x-", "Write it as “x”"),
        ("private--abc", "Write it as “private-abc”"),
        ("--", "at least one letter or digit"),
        ("private--" + "a" * 16, "reserved for private rooms"),
        ("Direct-" + "a" * 32, "reserved for private rooms"),
    ],
)
def test_no_open_room_is_given_an_address_that_no_name_leads_to(
    moderator: Client, slug: str, problem: str
) -> None:
    before = RoomFactory()
    for place in (f"{before.pk}/change/", "add/"):
        form = room_form(before, slug=slug)
        page = moderator.post(f"/admin/chat/room/{place}", form, secure=True)
        assert problem in page.content.decode()
    assert list(Room.objects.values_list("slug", flat=True)) == [before.slug]


@pytest.mark.parametrize("slug", ["Board", "--", "private--" + "a" * 16])
def test_one_that_a_room_has_already_may_stay(moderator: Client, slug: str) -> None:
    room = RoomFactory(slug=slug)
    form = room_form(room, title="Ours")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    room.refresh_from_db()
    assert (room.slug, room.title) == (slug, "Ours")


def test_an_address_that_is_taken_after_the_form_has_looked_is_said(
    moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    MessageFactory(room__slug="party")
    room = RoomFactory(slug="tea")
    monkeypatch.setattr(RoomForm, "clean", lambda form: form.cleaned_data)
    monkeypatch.setattr(RoomForm, "validate_unique", lambda form: None)
    form = room_form(room, slug="party")
    address = f"/admin/chat/room/{room.pk}/change/"
    page = moderator.post(address, form, secure=True, follow=True)
    assert "somebody else has just taken that address" in page.content.decode()
    room.refresh_from_db()
    assert room.slug == "tea"


def test_an_address_of_a_room_that_is_gone_is_given_to_no_other(moderator: Client) -> None:
    gone = with_guessable_address(RoomFactory(private=True), "merger")
    address = gone.slug
    gone.delete()
    assert Address.objects.get(slug=address).room is None
    other = RoomFactory()
    for place in (f"{other.pk}/change/", "add/"):
        form = room_form(other, slug=address)
        page = moderator.post(f"/admin/chat/room/{place}", form, secure=True)
        assert page.status_code == 200
        assert "This address is used, or was used, by another room." in page.content.decode()


def test_another_fault_of_the_data_is_not_called_a_taken_address(
    moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = RoomFactory()

    def fails(*args: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE chat_room SET head = -1")

    monkeypatch.setattr(RoomAdmin, "save_model", fails)
    with pytest.raises(IntegrityError):
        moderator.post(f"/admin/chat/room/{room.pk}/change/", room_form(room), secure=True)


def test_a_private_room_from_before_stays_where_people_guess_it_until_a_moderator_acts(
    moderator: Client,
) -> None:
    room = with_guessable_address(MessageFactory(room__private=True).room, "board")
    other, open_room = MessageFactory(room__private=True).room, MessageFactory().room
    member = MembershipFactory(room=room).user
    form = room_form(room, title="Ours")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    room.refresh_from_db()
    assert (room.slug, room.title) == ("board", "Ours")
    chosen = [room.pk, other.pk, open_room.pk]
    form = {"action": "hide_address", "_selected_action": chosen}
    page = moderator.post("/admin/chat/room/", form, secure=True, follow=True)
    assert "1 given another address." in page.content.decode()
    room.refresh_from_db()
    assert is_unguessable(room.slug)
    assert find("board", member) == room
    for same in (other, open_room):
        assert Room.objects.get(pk=same.pk).slug == same.slug
    assert "unguessable address" in str(AuditEntry.objects.get(target=str(room)).detail)


class TestManyAtOnce:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        told: list[Any] = []
        monkeypatch.setattr(bus, "tell_processes", lambda *news: told.append(news) or True)
        return told

    def act(self, moderator: Client, action: str, rooms: list[Room], **more: Any) -> str:
        form = {"action": action, "_selected_action": [room.pk for room in rooms], **more}
        page = moderator.post("/admin/chat/room/", form, secure=True, follow=True)
        return page.content.decode()

    def test_rooms_are_archived_and_opened_again(self, moderator: Client, told: list[Any]) -> None:
        rooms, left = RoomFactory.create_batch(5), RoomFactory()
        done = RoomFactory(archived=True)
        assert "5 archived." in self.act(moderator, "archive", [*rooms, done])
        (news,) = told  # one message to the servers
        assert {one.fields.id for one in news} == {room.pk for room in rooms}
        assert all(one.fields.archived for one in news)
        archived = Room.objects.filter(is_archived=True)
        assert set(archived) == {*rooms, done}
        assert left not in archived
        entries = AuditEntry.objects.filter(action="change room")
        assert {entry.target for entry in entries} == set(map(str, archived)) - {str(done)}
        assert all(entry.detail["is_archived"] for entry in entries)
        assert "6 unarchived." in self.act(moderator, "unarchive", [*rooms, done, left])
        assert not archived.all()
        assert not told[-1][0].fields.archived

    def test_all_that_a_filter_finds_are_archived_a_hundred_a_message(
        self, moderator: Client, told: list[Any]
    ) -> None:
        Room.objects.bulk_create(Room(slug=f"many-{n}") for n in range(130))
        first = Room.objects.all()[:1]
        page = self.act(moderator, "archive", list(first), select_across="1")
        assert "130 archived." in page
        assert [len(news) for news in told] == [100, 30]

    def test_addresses_are_hidden_in_one_message_to_the_servers(
        self, moderator: Client, told: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        rooms = [
            with_guessable_address(RoomFactory(private=True), slug) for slug in ("board", "staff")
        ]
        with django_capture_on_commit_callbacks(execute=True):
            assert "2 given another address." in self.act(moderator, "hide_address", rooms)
        (news,) = told
        slugs = {room.pk: room.slug for room in Room.objects.all()}
        assert {one.fields.id: one.fields.slug for one in news} == slugs
        assert all(map(is_unguessable, slugs.values()))

    def test_that_the_servers_could_not_be_told_is_said(
        self, moderator: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bus, "tell_processes", lambda *news: False)
        page = self.act(moderator, "archive", [RoomFactory()])
        assert "1 archived." in page
        assert "Open pages show the change after a reload" in page

    def test_who_may_only_look_archives_none(self, client: Client, told: list[Any]) -> None:
        looker = UserFactory(staff=True, join_moderators=False)
        looker.user_permissions.add(Permission.objects.get(codename="view_room"))
        client.force_login(looker)
        room = RoomFactory()
        self.act(client, "archive", [room])
        assert not Room.objects.get().is_archived
        assert not told


def test_rooms_nobody_wanted_are_marked_and_found(look: Look) -> None:
    vacant, used = RoomFactory(vacant_since=timezone.now()), MessageFactory().room
    silent = RoomFactory()
    assert "none, created by address" in look("chat/room/").text
    assert look("chat/room/?use=vacant").rows == [vacant]
    assert set(look("chat/room/?use=used").rows) == {used, silent}


def test_what_a_moderator_makes_of_a_vacant_room_is_shown(moderator: Client) -> None:
    room = RoomFactory(vacant_since=timezone.now())
    form = room_form(room, title="Tea")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    assert list(Room.objects.not_vacant()) == [room]


def test_what_nothing_reads_yet_is_not_for_setting(look: Look) -> None:
    membership = MembershipFactory()
    assert 'name="slow_mode_seconds"' in look(f"chat/room/{membership.room_id}/change/").text
    assert "retention" not in look(f"chat/room/{membership.room_id}/change/").text
    assert 'name="role"' in look(f"chat/membership/{membership.pk}/change/").text
    assert "notify" not in look(f"chat/membership/{membership.pk}/change/").text


def test_a_room_shows_when_it_was_last_spoken_in(look: Look) -> None:
    MessageFactory(created_at=at(9))
    assert look("chat/room/").rows[0].last_at == at(9)


def test_a_moderator_gives_a_role_and_puts_nobody_into_a_direct_room(moderator: Client) -> None:
    room, direct, person = RoomFactory(), RoomFactory(direct=True), UserFactory()
    for target, code in ((room, 302), (direct, 200)):
        form = {"room": target.pk, "user": person.pk, "role": "moderator"}
        response = moderator.post("/admin/chat/membership/add/", form, secure=True)
        assert response.status_code == code
    assert room.memberships.get().role == "moderator"
    assert not direct.memberships.filter(user=person).exists()


def test_the_membership_of_a_direct_room_is_not_taken_away(moderator: Client) -> None:
    membership = RoomFactory(direct=True).memberships.first()
    delete = f"/admin/chat/membership/{membership.pk}/delete/"
    assert moderator.post(delete, {"post": "yes"}, secure=True).status_code == 403
    plain = MembershipFactory()
    form = {"action": "delete_selected", "_selected_action": [membership.pk, plain.pk]}
    moderator.post("/admin/chat/membership/", {**form, "post": "yes"}, secure=True)
    membership.refresh_from_db()


def test_a_sanction_bears_the_name_of_who_gave_it(moderator: Client) -> None:
    person = UserFactory()
    form = {"user": person.pk, "kind": "mute", "reason": "shouting"}
    response = moderator.post("/admin/chat/sanction/add/", form, secure=True)
    assert response.status_code == 302
    sanction = Sanction.objects.get()
    assert sanction.by is not None
    assert sanction.by.is_staff
    assert (sanction.user, sanction.room) == (person, None)


def test_what_a_moderator_changes_is_in_the_audit_log(moderator: Client) -> None:
    def noted() -> tuple[str, str, Any]:
        entry = AuditEntry.objects.first()  # the newest
        assert entry is not None
        assert entry.actor is not None
        assert entry.actor_name == entry.actor.username
        return entry.action, entry.target, entry.detail

    room, person = RoomFactory(title="Lobby", slug="lobby"), UserFactory(display_name="Bob")
    form = room_form(room, is_archived="on")
    moderator.post(f"/admin/chat/room/{room.pk}/change/", form, secure=True)
    action, target, detail = noted()
    assert (action, target, detail["is_archived"]) == (
        "change room",
        "Lobby (lobby, archived)",
        True,
    )
    form = {"user": person.pk, "kind": "ban", "reason": "shouting"}
    moderator.post("/admin/chat/sanction/add/", form, secure=True)
    action, target, detail = noted()
    assert (action, detail["kind"], detail["reason"]) == ("add sanction", "ban", "shouting")
    assert detail["user"] == person.pk
    one, other = MembershipFactory(room=room, user=person), MembershipFactory(room=room)
    delete = f"/admin/chat/membership/{one.pk}/delete/"
    moderator.post(delete, {"post": "yes"}, secure=True)
    assert noted()[:2] == ("delete membership", f"{person} in Lobby (lobby, archived) (member)")
    form = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    moderator.post("/admin/chat/membership/", form, secure=True)
    assert noted()[2]["id"] == other.pk
    assert AuditEntry.objects.count() == 4


def test_the_audit_log_is_shown(look: Look) -> None:
    AuditEntry.objects.create(actor_name="Mo", action="ban", target="somebody")
    assert "somebody" in look("chat/auditentry/").text
    assert look("chat/auditentry/?q=nobody").rows == []
    assert len(look(f"chat/auditentry/?day={timezone.localdate()}").rows) == 1


def test_every_model_of_moderators_is_in_the_admin() -> None:
    for model in (Room, Message, Membership, User, Sanction, AuditEntry):
        assert admin.site.is_registered(model)
