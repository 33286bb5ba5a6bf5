"""What we use of others' insides, which they may change without a word.

pyproject.toml bounds their versions. Where a part is not there any more a server says so as it
starts, and does without what rests on it: slower, or with Daphne's own bounds, but it serves.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import daphne.server as daphne  # first of all of Twisted: it installs the reactor
from autobahn.websocket import protocol as autobahn
from daphne import ws_protocol
from twisted.internet import abstract, tcp
from twisted.web import http

# An owner (made or looked up when it is asked), and names of its.
Used = tuple[Callable[[], Any], str]

# Writes finished frames to the socket, and knows what it has not taken (wire.py).
WIRE: list[Used] = [
    (abstract.FileDescriptor, "dataBuffer offset _tempDataLen"),
    (lambda: tcp.Connection, "writeSomeData"),
    (lambda: autobahn.WebSocketProtocol, "STATE_OPEN"),
]
# Counts what comes before Autobahn and Twisted work on it (flood.py, requests.py, wire.py).
BOUNDS: list[Used] = [
    WIRE[0],
    (lambda: daphne, "WebSocketFactory HTTPFactory"),
    (lambda: daphne.Server, "create_application"),
    (lambda: asyncio.Queue, "_put _get"),
    (lambda: ws_protocol.WebSocketProtocol, "_dataReceived _onMessage onMessageEnd onPing"),
    (lambda: ws_protocol.WebSocketProtocol, "_fail_connection sendClose sendPong failHandshake"),
    (lambda: ws_protocol.WebSocketProtocol, "dropConnection STATE_CONNECTING STATE_OPEN"),
    (lambda: http, "_GenericHTTPChannelProtocol"),
    (http.HTTPChannel, "_handlingRequest length paused loseConnection headerReceived"),
    (lambda: http.HTTPChannel, "_respondToBadRequestAndDisconnect lineLengthExceeded"),
]


def gone(used: list[Used]) -> list[str]:
    """The names of those that are not there."""
    return [name for owner, names in used for name in names.split() if not has(owner, name)]


def has(owner: Callable[[], Any], name: str) -> bool:
    try:
        return hasattr(owner(), name)
    except Exception:  # the owner itself is another one by now
        return False
