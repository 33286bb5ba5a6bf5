"""A TCP connection that speaks WebSocket frame by frame, and may break every rule of it."""

import socket
import threading
from contextlib import suppress
from typing import Self

from bench.hostile import CLOSE, Kind, frame, handshake
from core.daphne.frames import head_length, payload_length
from core.models import User
from tests.support.servers import ChatServer
from tests.support.sockets import PATIENCE, session_of

TEXT, PING, PONG = 1, 9, 10
CUT_OFF = "cut off"  # how a connection ended without a close frame


class RawSocket:
    """`path` as of a URL; from the loopback address `address`."""

    def __init__(
        self,
        server: ChatServer,
        path: str,
        user: User | None = None,
        *,
        session: str = "",
        address: str = "127.0.0.1",
        headers: str = "",
        body: bytes = b"",
        unread: int = 0,
    ) -> None:
        self._tcp = socket.socket()
        if unread:  # the less the system keeps for us, the more waits in the server
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
        self._tcp.settimeout(PATIENCE)
        self._tcp.bind((address, 0))
        self._tcp.connect(("127.0.0.1", server.port))
        session = session_of(user) if user else session
        cookie = f"{server.cookie()}={session}"
        request = handshake(Kind(path=path, with_session=bool(session)), cookie)
        self._tcp.sendall(request[:-2] + headers.encode() + b"\r\n" + body)
        self._came = b""
        self.head = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tcp.close()

    @property
    def tcp(self) -> socket.socket:
        return self._tcp

    def answered(self) -> Self:
        """Wait for the answer to the handshake; it is in `head`."""
        while b"\r\n\r\n" not in self._came:
            data = self._tcp.recv(65_536)
            assert data, self._came
            self._came += data
        head, _, self._came = self._came.partition(b"\r\n\r\n")
        self.head = head.decode()
        return self

    def send(self, data: bytes) -> None:
        self._tcp.sendall(data)

    def next(self) -> tuple[int, bytes]:
        """The opcode and payload of the next frame. Raises EOFError and ConnectionError."""
        while True:
            length = head_length(self._came)
            if len(self._came) >= length:
                end = length + payload_length(self._came)
                if len(self._came) >= end:
                    opcode, payload = self._came[0] & 15, self._came[length:end]
                    self._came = self._came[end:]
                    return opcode, payload
            data = self._tcp.recv(65_536)
            if not data:
                raise EOFError
            self._came += data

    def until(self, opcode: int, part: bytes = b"") -> bytes:
        while True:
            found, payload = self.next()
            if found == opcode and part in payload:
                return payload

    def end(self) -> tuple[int | str, str]:
        """How the server ends it: its code and its reason. Raises TimeoutError."""
        code: int | str = CUT_OFF
        reason = ""
        with suppress(EOFError, ConnectionError):
            while True:
                opcode, payload = self.next()
                if opcode == CLOSE & 15:
                    code, reason = int.from_bytes(payload[:2], "big"), payload[2:].decode()
        return code, reason

    def flood(self, first: bytes, again: bytes) -> None:
        """Send for as long as it is taken, in a thread of its own."""

        def send() -> None:
            with suppress(OSError):
                self._tcp.sendall(first)
                while True:
                    self._tcp.sendall(again * max(1, 65_536 // len(again)))

        threading.Thread(target=send, daemon=True).start()


def close_frame(code: int) -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big"))
