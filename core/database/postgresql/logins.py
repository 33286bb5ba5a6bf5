"""Why PostgreSQL does not let us in: whether it will say so again, whatever its language."""

import os
import re
import select
import sys
import time
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import ConnectionTimeout
from psycopg.pq import Conninfo, PGconn, Ping, PollingStatus, abc

PATIENCE = 3  # seconds for a login
ERROR = re.compile(rb'\tErrorResponse\t.*? C "(\w{5})" M "(.*?)"')  # in libpq's trace
# What a server says to a login, and will say again. Others, as too many connections, pass.
REFUSALS = {
    "28P01": "it refuses the password (or the user's name) in DATABASE_URL.",
    "28000": "it does not let that user in from here. Correct DATABASE_URL, or its pg_hba.conf.",
    "3D000": "it has no database of that name. Create it, or correct DATABASE_URL.",
    "42501": "the user in DATABASE_URL may not connect to that database.",
    "42704": "it does not know a parameter that the options of DATABASE_URL set.",
    "22023": "it refuses what the options of DATABASE_URL set.",
}


class Refused(psycopg.OperationalError):
    """We are not let in, and will not be another time."""


def ensure_let_in(parameters: dict[str, Any]) -> None:
    """Raise Refused where a login with these parameters is. That PostgreSQL is away is not said."""
    parameters = {**parameters, "connect_timeout": PATIENCE}
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error as error:
        if why := why_refused(parameters, error):
            raise Refused(why) from None


def why_refused(parameters: dict[str, Any], error: psycopg.Error) -> str:
    """Why another login with these parameters would meet the same `error`, and what to do; '' where
    it may not.

    The text has no value of the parameters but where the server is, and nothing that it said.
    """
    why = _why_refused(parameters, error)
    return why and f"The database at {place(parameters)} cannot be used: {why}"


def place(parameters: dict[str, Any]) -> str:
    """Where the server is, to be shown to people."""
    return f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}"


def _why_refused(parameters: dict[str, Any], error: psycopg.Error) -> str:
    if isinstance(error, ConnectionTimeout):
        return ""  # and libpq's ping would hold up all threads for as long again
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = {name: value for name, value in parameters.items() if name in known}
    conninfo = make_conninfo(**given).encode()
    answer = PGconn.ping(conninfo)
    if answer == Ping.NO_ATTEMPT:
        words = set(re.findall(r"[a-z_]+", re.sub(r': ".*"', "", str(error))))
        wrong = sorted(words & {*given})
        named = f"the option {' or '.join(wrong)}" if wrong else "an option"
        return f"{named} of DATABASE_URL makes no sense. Correct it, or leave it out."
    return _refusal(conninfo) if answer == Ping.OK else ""


def _refusal(conninfo: bytes) -> str:
    """Log in once more, for the SQLSTATE. psycopg and libpq do not tell it of a login, and the text
    of the error is in the server's language; but libpq's trace has it."""
    if sys.platform != "linux":  # no trace elsewhere
        return ""
    # In memory: a password may be in it.
    with open(os.memfd_create("trace"), "r+b") as trace:  # noqa: PTH123
        login = PGconn.connect_start(conninfo)
        login.trace(trace.fileno())
        _poll(login, time.monotonic() + PATIENCE)
        login.untrace()
        wants_password = login.needs_password
        login.finish()
        trace.seek(0)
        errors = ERROR.findall(trace.read())
    if wants_password:
        return "it wants a password. Write postgres://USER:PASSWORD@HOST:5432/NAME in DATABASE_URL."
    if not errors:
        return ""
    sqlstate, text = errors[-1]
    if text == b"password authentication failed":  # PgBouncer's, with the SQLSTATE of all it says
        sqlstate = b"28P01"
    return REFUSALS.get(sqlstate.decode(), "")


def _poll(login: abc.PGconn, deadline: float) -> None:
    """Until the server has let us in or not, or the time is over."""
    while (wanted := login.connect_poll()) in (PollingStatus.READING, PollingStatus.WRITING):
        sockets = [login.socket]
        reading, writing = ([], sockets) if wanted == PollingStatus.WRITING else (sockets, [])
        ready = select.select(reading, writing, [], max(0.0, deadline - time.monotonic()))
        if not any(ready):
            return
