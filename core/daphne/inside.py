"""What we use of others' insides, which they may change without a word.

pyproject.toml bounds their versions. Where a part is not there any more a server says so as it
starts, and does without what rests on it: slower, or with Daphne's own bounds, but it serves.
"""

import asyncio
from typing import Any

import daphne.server as daphne  # first of all of Twisted: it installs the reactor
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection
from twisted.web import http

Used = tuple[Any, str]

# Writes finished frames to the socket, and knows what it has not taken (wire.py).
WIRE: list[Used] = [
    (FileDescriptor(), "dataBuffer offset _tempDataLen"),
    (Connection, "writeSomeData"),
    (WebSocketProtocol, "STATE_OPEN"),
]
# Counts what comes before Autobahn and Twisted work on it (flood.py, requests.py, wire.py).
BOUNDS: list[Used] = [
    (daphne, "WebSocketFactory HTTPFactory"),
    (asyncio.Queue, "_put _get"),
    (WebSocketProtocol, "_dataReceived _onMessage _fail_connection sendClose dropConnection"),
    (http, "_GenericHTTPChannelProtocol"),
    (http.HTTPChannel(), "_handlingRequest _respondToBadRequestAndDisconnect lineLengthExceeded"),
]


def gone(used: list[Used]) -> list[str]:
    """The names of those that are not there."""
    return [
        f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"
        for owner, names in used
        for name in names.split()
        if not hasattr(owner, name)
    ]
