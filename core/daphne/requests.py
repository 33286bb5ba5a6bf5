"""Daphne's side of an HTTP connection, with bounds on requests that do not come to their end.

Twisted works on each piece of a request as it comes, and waits for the rest as long as there is a
piece a minute; a body goes into memory or to the disk, however long it is.
"""

import asyncio
from typing import Any

from daphne.http_protocol import HTTPFactory
from django.conf import settings
from twisted.web import http
from twisted.web.http import HTTPChannel

PIECES = 100  # of a request, as they come …
SIZE = 262_144  # … and bytes, of what is worked on at once; then
NEXT_PIECE = 0.5  # seconds between one piece, of 64 KB at most, and the next
SECONDS = 60  # in which a request must be there
ANSWER = 1.0  # seconds until a request is refused
ROOT_PATH = b"daphne-root-path"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"


class BoundedChannel(HTTPChannel):
    transport: Any
    _pieces = 0  # of the request that is coming
    _is_refused = False

    def dataReceived(self, data: bytes) -> None:
        if self._is_refused:  # it was on its way
            return
        super().dataReceived(data)
        if self._is_refused:
            return
        if self._handlingRequest:  # it is there, whole; also where it became a WebSocket
            self._pieces = 0
            return
        loop = asyncio.get_running_loop()
        if not self._pieces:
            self._size, self._began = 0, loop.time()
        self._pieces += 1
        self._size += len(data)
        # Django would not read it.
        if max(self._size, self.length or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            self._refuse(TOO_LARGE)
        elif loop.time() - self._began > SECONDS:
            self._refuse(TOO_SLOW)
        elif self._pieces > PIECES or self._size > SIZE:
            self.transport.pauseProducing()
            loop.call_later(NEXT_PIECE, self.transport.resumeProducing)

    def headerReceived(self, line: bytes) -> bool:
        """Without the one by which Daphne believes anybody about where the site lies: links would
        lead elsewhere, and a value that is no ASCII was a traceback."""
        if line.split(b":", 1)[0].lower() == ROOT_PATH:
            return True
        return bool(super().headerReceived(line))

    def _respondToBadRequestAndDisconnect(self) -> None:
        """What Twisted does with a request that is none, or has too many headers …"""
        self._refuse(BAD_REQUEST)

    def lineLengthExceeded(self, line: bytes) -> None:
        """… or one that is too long."""
        self._refuse(BAD_REQUEST)

    def _refuse(self, answer: bytes) -> None:
        """Not at once: its client may come back as soon as it is answered."""
        if self._is_refused:
            return
        self._is_refused = True
        self.paused = True  # what came with it is not looked at
        self.transport.pauseProducing()
        asyncio.get_running_loop().call_later(ANSWER, self._hang_up, answer)

    def _hang_up(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.loseConnection()  # the transport's own would wait for who produces an answer


class BoundedHTTPFactory(HTTPFactory):
    def protocol(self) -> Any:
        return http._GenericHTTPChannelProtocol(BoundedChannel())
