"""What PostgreSQL says itself: that it commits for good, and how many messages it has."""

import psycopg

NEVER_LOSE = {"fsync": "on", "synchronous_commit": "on"}


async def is_durable(url: str) -> bool:
    """Whether what is committed has been written to the disk, as the figures claim."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for name, wanted in NEVER_LOSE.items():
            row = await (await connection.execute(f"SHOW {name}")).fetchone()
            if row != (wanted,):
                return False
    return True


async def messages(url: str, rooms: str) -> int:
    """How many there are in the rooms whose slug begins with `rooms`."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM chat_message m JOIN chat_room r ON r.id = m.room_id"
            " WHERE starts_with(r.slug, %s)",
            [rooms],
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
