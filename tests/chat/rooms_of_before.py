"""Rooms as there may be from before the database kept to its rules."""

from django.db import connection

from chat.models import Room


def with_guessable_address(room: Room, slug: str) -> Room:
    """The same room, at an address that people guess, though it is private."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE chat_room DISABLE TRIGGER chat_room_unguessable")
        cursor.execute("UPDATE chat_room SET slug = %s WHERE id = %s", [slug, room.pk])
        cursor.execute("ALTER TABLE chat_room ENABLE TRIGGER chat_room_unguessable")
        cursor.execute("DELETE FROM chat_address WHERE slug = %s", [room.slug])
    room.refresh_from_db()
    return room
