import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg.errors import QueryCanceled

from chat.admin.message_list import GATHER, MessagePaginator
from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import AuditEntry, Message, Room, Sanction
from core import admin_lists

pytestmark = pytest.mark.django_db

HOUSEKEEPING = "^(SAVEPOINT|RELEASE|BEGIN|COMMIT)|set_config|current_setting"
LISTS = ["room", "message", "membership", "sanction", "auditentry"]
BAD_ADDRESSES = [
    *("room=abc", "room=0", "room=-1", "room=99999999999999999999999", "room=%00", "room=1&room=x"),
    *("author=foo", "author=1.5", "day=foo", "day=2024-02-30", "day=0001-01-01"),
    *("day=9999-12-31", "day=%00", "state=foo", "upto=x", "upto=-5", "upto=9", "room=x&upto=9"),
    *("q=%00", "q=%22", "q=!!!", "q=%26|", "q=-", "q=id:", "q=id:x", "q=id:99999999999999999999"),
    *("q=" + "x" * 5000, "p=x", "p=", "all=", "o=1.2", "o=99", "_facets=True", "e=1"),
]


@pytest.fixture
def moderator(client: Client) -> Client:
    client.force_login(UserFactory(staff=True))
    return client


class Page:
    """What the admin answered, and what it asked the database meanwhile."""

    def __init__(self, client: Client, address: str) -> None:
        with CaptureQueriesContext(connection) as captured:
            self.response: Any = client.get(f"/admin/{address}", secure=True)
        asked = [query["sql"] for query in captured]
        self.queries = [sql for sql in asked if not re.search(HOUSEKEEPING, sql)]
        self.settings = [sql for sql in asked if "set_config" in sql]
        self.text = self.response.content.decode()

    @property
    def rows(self) -> list[Any]:
        return list(self.response.context["cl"].result_list)

    @property
    def label(self) -> str:
        return str(self.response.context["cl"].paginator.count_label)


Look = Callable[[str], Page]


@pytest.fixture
def look(moderator: Client) -> Look:
    def look(address: str) -> Page:
        page = Page(moderator, address)
        assert page.response.status_code == 200, page.response
        return page

    return look


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 5, day, hour, tzinfo=UTC)


# -- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LISTS, "../core/user"])
def test_an_outsider_is_sent_to_sign_in(client: Client, name: str) -> None:
    for outsider in (None, UserFactory(), UserFactory(guest=True)):
        if outsider:
            client.force_login(outsider)
        response = client.get(f"/admin/chat/{name}/".replace("chat/../", ""), secure=True)
        assert response.status_code == 302
        assert "/admin/login/" in response["Location"]


def test_staff_without_permissions_sees_no_message(client: Client) -> None:
    client.force_login(UserFactory(staff=True, join_moderators=False))
    message = MessageFactory()
    for address in ("", f"{message.pk}/change/"):
        response = client.get(f"/admin/chat/message/{address}", secure=True)
        assert response.status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_a_moderator_sees_every_list_and_the_index(look: Look, name: str) -> None:
    assert look(f"chat/{name}/").response.status_code == 200
    assert "moderation" in look("").text


def test_messages_are_read_only(moderator: Client) -> None:
    message = MessageFactory(body="As it was")
    change = f"/admin/chat/message/{message.pk}/change/"
    assert moderator.post(change, {"body": "Other"}, secure=True).status_code == 403
    assert moderator.get("/admin/chat/message/add/", secure=True).status_code == 403
    delete = f"/admin/chat/message/{message.pk}/delete/"
    assert moderator.post(delete, {"post": "yes"}, secure=True).status_code == 403
    message.refresh_from_db()
    assert message.body == "As it was"


def test_not_even_a_superuser_goes_round_the_log(client: Client) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    message, entry = MessageFactory(), AuditEntry.objects.create(actor_name="x", action="y")
    for address in (
        f"message/{message.pk}/delete/",
        f"room/{message.room_id}/delete/",
        f"auditentry/{entry.pk}/delete/",
        "message/add/",
        "auditentry/add/",
    ):
        assert client.post(f"/admin/chat/{address}", {}, secure=True).status_code == 403
    page = Page(client, f"chat/message/{message.pk}/change/")
    assert "<textarea" not in page.text


# -- the list of messages -----------------------------------------------------------------------


def test_a_message_leads_to_its_room_and_a_room_to_its_messages_and_members(look: Look) -> None:
    message = MessageFactory()
    room = message.room
    assert f"/admin/chat/room/{room.pk}/change/" in look("chat/message/").text
    assert f"/admin/chat/room/{room.pk}/change/" in look(f"chat/message/{message.pk}/change/").text
    for address in ("chat/room/", f"chat/room/{room.pk}/change/"):
        text = look(address).text
        assert f"/admin/chat/message/?room={room.pk}" in text
        assert f"/admin/chat/membership/?room={room.pk}" in text


def test_deleted_messages_are_marked_and_moderators_see_what_they_said(look: Look) -> None:
    mod = UserFactory(display_name="Mo")
    message = MessageFactory(body="Buy <b>gold</b>", deleted=mod)
    for address in ("chat/message/", f"chat/message/{message.pk}/change/"):
        text = look(address).text
        assert '<del class="said">Buy &lt;b&gt;gold&lt;/b&gt;</del>' in text
        assert "deleted by Mo" in text


def test_a_message_that_stands_is_not_struck_through(look: Look) -> None:
    message = MessageFactory(body="Hello", edited="Helo")
    text = look(f"chat/message/{message.pk}/change/").text
    assert "<del" not in text
    assert '<span class="mark">edited</span>' in text
    assert "Helo" in text


def test_filters_narrow_by_room_author_day_and_state(look: Look) -> None:
    room, author = RoomFactory(), UserFactory()
    mine = MessageFactory(room=room, author=author, created_at=at(3))
    other_author = MessageFactory(room=room, created_at=at(3))
    other_room = MessageFactory(author=author, created_at=at(3))
    other_day = MessageFactory(room=room, author=author, created_at=at(4))
    deleted = MessageFactory(room=room, deleted=True, created_at=at(5))
    r, a = f"room={room.pk}", f"author={author.pk}"
    expected = {
        r: [deleted, other_day, other_author, mine],
        a: [other_day, other_room, mine],
        "day=2024-05-03": [other_room, other_author, mine],
        "state=deleted": [deleted],
        f"{r}&{a}": [other_day, mine],
        f"{r}&day=2024-05-03": [other_author, mine],
        f"{r}&{a}&day=2024-05-03": [mine],
        f"{a}&day=2024-05-04": [other_day],
        f"{r}&state=deleted": [deleted],
        "day=2024-05-06": [],
        "": [deleted, other_day, other_room, other_author, mine],
    }
    for query, found in expected.items():
        assert look(f"chat/message/?{query}").rows == found, query


def test_a_day_is_one_of_the_site(look: Look, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    late = MessageFactory(created_at=at(3, hour=16))  # the 4th in Tokyo
    assert look("chat/message/?day=2024-05-04").rows == [late]
    assert look("chat/message/?day=2024-05-03").rows == []


def test_search_finds_words_phrases_and_one_message(look: Look) -> None:
    tea = MessageFactory(body="A cup of tea, please", created_at=at(1))
    cup = MessageFactory(body="The cup is broken: tea everywhere", created_at=at(2))
    words = MessageFactory(body="Чай или 紅茶", created_at=at(3))
    assert look("chat/message/?q=cup").rows == [cup, tea]
    assert look('chat/message/?q="cup of tea"').rows == [tea]
    assert look("chat/message/?q=cup -broken").rows == [tea]
    assert look("chat/message/?q=the").rows == [cup]
    assert look("chat/message/?q=чай").rows == [words]
    assert look("chat/message/?q=zyzzyva").rows == []
    assert look(f"chat/message/?q=id:{tea.pk}").rows == [tea]
    assert look(f"chat/message/?q=cup&room={tea.room_id}").rows == [tea]


def test_a_message_is_shown_in_its_talk(look: Look) -> None:
    room = RoomFactory()
    batch = MessageFactory.create_batch(4, room=room)
    rows = look(f"chat/message/?room={room.pk}&upto=3").rows
    assert rows == batch[2::-1]


@pytest.mark.parametrize("query", BAD_ADDRESSES)
def test_nonsense_in_the_address_is_no_error(look: Look, query: str) -> None:
    MessageFactory()
    look(f"chat/message/?{query}")


@pytest.mark.parametrize("page", ["0", "-1", "999"])
def test_a_page_that_is_not_there_leads_back_to_the_list(moderator: Client, page: str) -> None:
    response = moderator.get(f"/admin/chat/message/?p={page}", secure=True)
    assert response["Location"] == "/admin/chat/message/?e=1"


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", ["room=abc", "user=x", "day=x", "nonsense=1", "kind__x=1"])
def test_nonsense_hurts_no_other_list(moderator: Client, name: str, query: str) -> None:
    response = moderator.get(f"/admin/chat/{name}/?{query}", secure=True)
    assert response.status_code in {200, 302, 400}


@pytest.mark.parametrize("query", ["room=abc", "room=0", "author=foo", "day=2024-02-30"])
def test_what_cannot_be_read_shows_nothing_and_says_so(look: Look, query: str) -> None:
    MessageFactory()
    page = look(f"chat/message/?{query}")
    assert page.rows == []
    assert "There is no" in page.text


def test_conditions_of_ones_own_are_refused(moderator: Client) -> None:
    response = moderator.get("/admin/chat/message/?body__contains=a", secure=True)
    assert response.status_code == 400


# -- quick, however many ------------------------------------------------------------------------


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Room:
    """A room with 120 messages, and lists that call a hundred "many"."""
    room = RoomFactory()
    authors = [UserFactory()] * 19 + [UserFactory()]
    for n in range(120):
        MessageFactory(room=room, author=authors[n % 20], body="tea again", created_at=at(1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")
    monkeypatch.setattr(admin_lists.CappedPaginator, "shown_max", 100)
    monkeypatch.setattr(MessagePaginator, "walked_max", 60)
    return room


def seqs(page: Page) -> list[int]:
    return [message.seq for message in page.rows]


def test_a_long_list_is_estimated_and_paged_to_its_bound(look: Look, many: Room) -> None:
    page = look("chat/message/")
    assert page.label == "about 120"
    assert seqs(page) == list(range(120, 70, -1))
    assert seqs(look("chat/message/?p=2")) == list(range(70, 20, -1))
    assert "?p=3" not in page.text


def test_one_filter_pages_to_the_bound(look: Look, many: Room) -> None:
    page = look(f"chat/message/?room={many.pk}&p=2")
    assert page.label == "more than 100"
    assert seqs(page) == list(range(70, 20, -1))


def test_a_search_with_too_many_hits_shows_the_newest(look: Look, many: Room) -> None:
    page = look("chat/message/?q=tea")
    assert page.label == "more than 100"
    assert seqs(page) == list(range(120, 70, -1))
    assert seqs(look("chat/message/?q=tea&p=2")) == list(range(70, 60, -1))


def test_a_search_with_few_hits_has_them_all_in_order(
    look: Look, many: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MessagePaginator, "shown_max", 120)
    assert look("chat/message/?q=tea").label == "120"
    assert seqs(look(f"chat/message/?q=tea&room={many.pk}&p=3")) == list(range(20, 0, -1))


@pytest.mark.parametrize(
    "query", ["", "room={room}", "q=tea", "q=nothing", "room={room}&q=tea", "day=2024-05-01"]
)
def test_no_query_counts_or_reads_the_whole_table(look: Look, many: Room, query: str) -> None:
    page = look("chat/message/?" + query.format(room=many.pk))
    asked = [sql for sql in page.queries if 'FROM "chat_message"' in sql]
    for sql in asked:
        assert "LIMIT" in sql or re.search(r'"id" IN \(', sql), sql
    assert not any("COUNT(*)" in sql and "LIMIT" not in sql for sql in asked)
    if not query:
        assert not any("COUNT(" in sql for sql in page.queries)


QUERIES = {
    "chat/message/": 9,
    "chat/message/?room={room}": 10,
    "chat/message/?q=tea": 8,
    "chat/message/?room={room}&author={author}&day=2024-05-01&q=tea": 11,
    "chat/room/": 6,
    "chat/room/{room}/change/": 6,
    "chat/membership/?room={room}": 8,
    "core/user/": 6,
    "chat/message/{message}/change/": 9,
}


@pytest.mark.parametrize(("address", "most"), QUERIES.items())
def test_the_number_of_queries_does_not_grow_with_the_rows(
    moderator: Client, address: str, most: int
) -> None:
    def ask() -> int:
        filled = address.format(room=room.pk, author=author.pk, message=first.pk)
        page = Page(moderator, filled)
        assert page.response.status_code == 200
        return len(page.queries)

    room, author = RoomFactory(), UserFactory()
    first = MessageFactory(
        room=room, author=author, body="tea", created_at=at(1), edited=True, deleted=True
    )
    few = ask()
    for _ in range(5):
        MessageFactory(body="tea", created_at=at(1), deleted=True)
        MessageFactory(room=room, author=author, body="tea", created_at=at(1), edited=True)
        MembershipFactory(room=room)
    again = ask()
    assert again <= few + 1  # the texts of deleted ones, once there are any
    assert again <= most


def plan(sql: str, **off: str) -> str:
    """How PostgreSQL would answer if the table were too large to read whole."""
    with admin_lists.plan_with(**{"enable_seqscan": "off", **off}), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())


def ids_query(page: Page) -> str:
    return next(
        sql
        for sql in page.queries
        if re.match(r'SELECT "chat_message"."id" AS "pk"', sql) and "LIMIT" in sql
    )


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "message_by_time"),
        ("room={room}", "message_seq_once_a_room"),
        ("room={room}&upto=100", "message_seq_once_a_room"),
        ("author={author}", "message_by_author"),
        ("day=2024-05-01", "message_by_time"),
    ],
)
def test_an_index_holds_the_rows_in_the_order_of_the_list(
    look: Look, many: Room, query: str, index: str
) -> None:
    author = many.messages.newest()[0].author_id
    page = look("chat/message/?" + query.format(room=many.pk, author=author))
    found = plan(ids_query(page), enable_bitmapscan="off")
    assert index in found
    assert "->  Sort" not in found


@pytest.mark.parametrize(
    ("query", "index"), [("q=tea", "message_search"), ("state=deleted", "message_deleted")]
)
def test_combined_filters_gather_through_an_index(
    look: Look, many: Room, query: str, index: str
) -> None:
    page = look(f"chat/message/?{query}")
    sql = ids_query(page)
    assert "ORDER BY" not in sql
    assert f"Bitmap Index Scan on {index}" in plan(sql, **GATHER)
    assert any("'enable_indexscan', 'off'" in settings for settings in page.settings)


def test_settings_of_the_planner_do_not_outlive_their_query() -> None:
    def jit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW jit")
            return str(cursor.fetchone()[0])

    before = jit()
    with admin_lists.plan_with(jit="off" if before == "on" else "on"):
        assert jit() != before
    assert jit() == before


def test_a_list_that_takes_too_long_says_so(
    look: Look, many: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_long(*args: Any) -> list[int]:
        raise OperationalError from QueryCanceled()

    monkeypatch.setattr(MessagePaginator, "ids", too_long)
    page = look("chat/message/")
    assert page.rows == []
    assert "Narrow it" in page.text


def test_a_broken_database_is_still_an_error(
    moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: Any) -> list[int]:
        raise OperationalError

    monkeypatch.setattr(MessagePaginator, "ids", gone)
    with pytest.raises(OperationalError):
        moderator.get("/admin/chat/message/", secure=True)


def test_a_long_text_comes_shortened_to_the_list_and_whole_to_its_page(look: Look) -> None:
    message = MessageFactory(body="long " * 2000 + "end")
    assert "end" not in look("chat/message/").rows[0].excerpt
    assert "long end" in look(f"chat/message/{message.pk}/change/").text


def test_filters_do_not_render_every_room_and_person(look: Look) -> None:
    rooms = RoomFactory.create_batch(5)
    people = UserFactory.create_batch(5)
    for address in ("chat/message/", "chat/membership/", "chat/sanction/", "chat/membership/add/"):
        text = look(address).text
        assert not [room.title for room in rooms if f">{room.title}<" in text]
        assert not [user.username for user in people if user.username in text]


def test_rooms_and_people_are_chosen_by_typing(look: Look) -> None:
    room, person = RoomFactory(slug="tearoom"), UserFactory(username="teodora")
    for model, field, term, found in (
        ("message", "room", "tearo", room),
        ("message", "author", "teodo", person),
    ):
        query = f"app_label=chat&model_name={model}&field_name={field}&term={term}"
        results = json.loads(look(f"autocomplete/?{query}").text)["results"]
        assert [int(row["id"]) for row in results] == [found.pk]


# -- rooms, memberships, sanctions, audit -------------------------------------------------------


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


def test_no_room_becomes_direct_and_a_direct_one_stays_so(moderator: Client) -> None:
    room, direct = RoomFactory(), RoomFactory(direct=True)
    for target, kind in ((room, "direct"), (direct, "open")):
        form = room_form(target, kind=kind)
        moderator.post(f"/admin/chat/room/{target.pk}/change/", form, secure=True)
        before = target.kind
        target.refresh_from_db()
        assert target.kind == before


def test_a_room_shows_when_it_was_last_spoken_in(look: Look) -> None:
    MessageFactory(created_at=at(9))
    assert look("chat/room/").rows[0].last_at == at(9)


def test_a_moderator_gives_a_role_and_puts_nobody_into_a_direct_room(moderator: Client) -> None:
    room, direct, person = RoomFactory(), RoomFactory(direct=True), UserFactory()
    for target, code in ((room, 302), (direct, 200)):
        form = {"room": target.pk, "user": person.pk, "role": "moderator", "notify": "all"}
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


def test_the_audit_log_is_shown(look: Look) -> None:
    AuditEntry.objects.create(actor_name="Mo", action="ban", target="somebody")
    assert "somebody" in look("chat/auditentry/").text
    assert look("chat/auditentry/?q=nobody").rows == []
    assert len(look(f"chat/auditentry/?day={timezone.localdate()}").rows) == 1


def test_every_model_of_moderators_is_in_the_admin() -> None:
    registered = {model.__name__ for model in admin.site._registry}
    assert {"Room", "Message", "Membership", "User", "Sanction", "AuditEntry"} <= registered
    assert Message in admin.site._registry
