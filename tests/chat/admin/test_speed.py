import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from psycopg.errors import QueryCanceled

from chat.admin.message_list import GATHER, MessagePaginator
from chat.factories import MembershipFactory, MessageFactory, RoomFactory, UserFactory
from chat.models import Room
from core import admin_lists
from core.database import planner
from tests.chat.admin.pages import Look, Page, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Room:
    """A room with 120 messages, and lists that call a hundred "many"."""
    room = RoomFactory()
    authors = [UserFactory()] * 19 + [UserFactory()]
    for n in range(120):
        # each at a time of its own: PostgreSQL 15 sorts those of one moment otherwise
        then = at(1) + timedelta(seconds=n)
        MessageFactory(room=room, author=authors[n % 20], body="tea again", created_at=then)
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


@pytest.mark.parametrize(
    "address",
    ["chat/room/", "chat/membership/", "chat/sanction/", "chat/auditentry/", "core/user/"],
)
def test_no_list_counts_to_the_end(look: Look, address: str) -> None:
    RoomFactory(direct=True)
    counts = [sql for sql in look(address).queries if "COUNT(" in sql]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


def test_a_search_is_bounded_in_words(look: Look) -> None:
    MessageFactory(body="tea")
    page = look("chat/message/?q=" + "tea+" * 1000)
    assert len(page.rows) == 1
    assert max(len(sql) for sql in page.queries) < 3_000


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
    with planner.plan_with(**{"enable_seqscan": "off", **off}), connection.cursor() as cursor:
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
    author = many.messages.order_by("-seq")[0].author_id
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
    with planner.plan_with(jit="off" if before == "on" else "on"):
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
    page = moderator.get("/admin/chat/message/", secure=True)
    assert page.status_code == 503
    assert "Narrow it" not in page.content.decode()


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
