"""Settings that must fit what the code has fixed: its threads, the database's columns, Daphne."""

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Error

from chat.live.queries import READERS
from chat.models.message import BODY_MAX
from core.checks import check

WIDEST = 4  # bytes of a character in UTF-8; a client that escapes it as \uXXXX needs 6 or 12
ESCAPED = 6  # bytes of a control character in JSON
ENVELOPE = 256  # bytes around a message in the frame that a client sends …
STATE = 16_384  # … and in one that the server sends: names, times, a thousand reactions
DAPHNE_FRAME_MAX = 1_048_576  # bytes; over it Daphne ends the connection with 1011
POSTGRESQL_MOST = 262_143  # what max_connections may be


@check
def pool() -> Iterator[CheckMessage]:
    least = READERS + 2
    widest = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    if widest < least:
        yield Error(
            f"DATABASE_POOL_SIZE is {widest}: threads would wait for each other's connections.",
            hint=f"It must be {least} or more: {READERS} readers, the writer, and the pages.",
            id="core.E005",
        )
    if widest > POSTGRESQL_MOST:
        yield Error(
            f"DATABASE_POOL_SIZE is {widest}; no PostgreSQL takes more than {POSTGRESQL_MOST:,} "
            "connections.",
            hint="Processes times this must stay below its max_connections.",
            id="core.E019",
        )


@check
def sizes() -> Iterator[CheckMessage]:
    message, frame_in = settings.CHAT_MESSAGE_MAX, settings.CHAT_FRAME_IN_MAX
    frame_out, outbox = settings.CHAT_FRAME_OUT_MAX, settings.CHAT_OUTBOX_BYTES
    if message > BODY_MAX:
        yield Error(
            f"CHAT_MESSAGE_MAX is {message:,}; the database takes at most {BODY_MAX:,} characters.",
            id="core.E009",
        )
    if frame_in < (least := WIDEST * message + ENVELOPE):
        yield Error(
            f"CHAT_FRAME_IN_MAX is {frame_in:,} bytes, too little for a message of "
            f"{message:,} characters in UTF-8.",
            hint=f"Make it {least:,} or more, or CHAT_MESSAGE_MAX smaller. Clients that escape "
            "what is not ASCII need up to three times as much.",
            id="core.E010",
        )
    least = ESCAPED * BODY_MAX + STATE
    if not least <= frame_out <= DAPHNE_FRAME_MAX:
        yield Error(
            f"CHAT_FRAME_OUT_MAX is {frame_out:,} bytes.",
            hint=f"It must be from {least:,}, for the longest message that an import may bring, to "
            f"{DAPHNE_FRAME_MAX:,}, where Daphne ends the connection.",
            id="core.E011",
        )
    if outbox < frame_out:
        yield Error(
            f"CHAT_OUTBOX_BYTES ({outbox:,}) is under CHAT_FRAME_OUT_MAX ({frame_out:,}): one "
            "frame would end the connection.",
            id="core.E012",
        )
