from typing import Any

import pytest
from django.test import Client

from chat.factories import MessageFactory, RoomFactory, UserFactory
from chat.models import Message, Revision
from tests.chat.admin.pages import LISTS, Look, at

pytestmark = pytest.mark.django_db


BAD_ADDRESSES = [
    *("room=abc", "room=0", "room=-1", "room=99999999999999999999999", "room=1&room=x"),
    *("author=foo", "author=1.5", "day=foo", "day=2024-02-30", "day=0001-01-01"),
    *("day=9999-12-31", "state=foo", "upto=x", "upto=-5", "upto=9", "room=x&upto=9"),
    *("q=%22", "q=!!!", "q=%26|", "q=-", "q=id:", "q=id:x", "q=id:99999999999999999999"),
    *("q=" + "x" * 5000, "p=x", "p=", "all=", "o=1.2", "o=99", "_facets=True", "e=1"),
]


def test_a_message_leads_to_its_room_and_a_room_to_its_messages_and_members(look: Look) -> None:
    message = MessageFactory()
    room = message.room
    assert f"/admin/chat/room/{room.pk}/change/" in look("chat/message/").text
    assert f"/admin/chat/room/{room.pk}/change/" in look(f"chat/message/{message.pk}/change/").text
    for address in ("chat/room/", f"chat/room/{room.pk}/change/"):
        text = look(address).text
        assert f"/admin/chat/message/?room={room.pk}" in text
        assert f"/admin/chat/membership/?room={room.pk}" in text


def test_the_page_of_a_message_says_by_name_where_it_was_said(look: Look) -> None:
    message = MessageFactory(room=RoomFactory(title="Lobby"), reply=True)
    text = look(f"chat/message/{message.pk}/change/").text
    assert "<h2>#2 in Lobby</h2>" in text
    assert ">#1</a>" in text  # what it answers
    assert f"in {message.room_id}<" not in text


def test_a_message_looks_no_room_up_for_its_name(django_assert_num_queries: Any) -> None:
    message = Message.objects.get(pk=MessageFactory().pk)
    with django_assert_num_queries(0):
        assert str(message) == f"#1 in {message.room_id}"


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


def test_search_finds_deleted_messages_by_what_they_said(look: Look) -> None:
    standing = MessageFactory(body="my number is 555")
    deleted = MessageFactory(room=standing.room, body="call my number", deleted=True)
    edited = MessageFactory(room=standing.room, body="no digits", edited=True)
    Revision.objects.filter(message=edited).update(body="it had a number once")
    found = look("chat/message/?q=number")
    assert {message.pk for message in found.rows} == {standing.pk, deleted.pk}
    assert "call my number" in found.text
    assert [one.pk for one in look("chat/message/?q=number&state=deleted").rows] == [deleted.pk]
    assert look("chat/message/?q=number+-call").rows[0].pk == standing.pk


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
