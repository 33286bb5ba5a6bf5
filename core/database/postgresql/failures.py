"""What PostgreSQL's error codes mean for whoever asked: the server, not the question, is wrong."""

from enum import Enum

import psycopg


class Failure(Enum):
    """Why the database cannot do its work now: a word for /healthz, and a sentence for people."""

    AWAY = "away", "Try again."
    READ_ONLY = (
        "read-only",
        "It takes no writes: it is a standby, or default_transaction_read_only is on.",
    )
    FULL = "full", "It has no room left: give its disk some, or raise the limit that it names."
    STALE = "stale", "Its tables were altered under a statement that was prepared before."
    SHARED = (
        "transaction pooling",
        "Something between here and PostgreSQL (as PgBouncer) gives each transaction another "
        "session, and the chat needs one that stays: set pool_mode = session there, or go past it.",
    )

    def __init__(self, word: str, sentence: str) -> None:
        self.word = word
        self.sentence = sentence


READ_ONLY = "25006"
FULL = ("53100", "53400")  # the disk, or a limit on temporary files
# A prepared statement that we prepared is not there, or one that we did not prepare is.
SHARED = ("26000", "42P05")
STALE = "0A000", "RevalidateCachedQuery"  # "cached plan must not change result type"


def failure_of(error: BaseException) -> Failure:
    """What the error of a database that cannot be worked with now (Django's, or psycopg's) says."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(cause, psycopg.Error):
        return Failure.AWAY
    return dooms(cause) or (Failure.FULL if cause.sqlstate in FULL else Failure.AWAY)


def dooms(error: psycopg.Error) -> Failure | None:
    """Why the connection that met `error` is of no use any more, while a new one may be."""
    if isinstance(error, SharedSession) or error.sqlstate in SHARED:
        return Failure.SHARED
    if error.sqlstate == READ_ONLY:
        return Failure.READ_ONLY
    if (error.sqlstate, error.diag.source_function) == STALE:
        return Failure.STALE
    return None


class SharedSession(psycopg.OperationalError):
    """Found before any statement failed by it."""

    def __init__(self) -> None:
        super().__init__(Failure.SHARED.sentence)
