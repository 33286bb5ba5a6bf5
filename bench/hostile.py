"""Sockets that mean harm, in a process of their own, and what others' messages take beside them.

Each thread keeps one socket, which sends what its kind sends as fast as it is taken, and comes back
at once when it is closed. `python -m bench.hostile PORT COOKIE ADDRESS KIND…` comes from ADDRESS,
says when all of its sockets have been there, and runs until it is stopped.
"""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle, islice

SOCKETS = 20
BLOCK = 65_536  # bytes that are given to the system at once
PAUSE = 0.001  # seconds between tries where nothing is sent, so that this process is not the load
GIVE_UP = 5.0  # seconds for a handshake

TEXT, PONG, PING, CLOSE = 0x81, 0x8A, 0x89, 0x88
CLOSED = b"\x88\x02\x11"  # the server's close frame, with a code of 4352 to 4607
FIRST, MORE = 0x01, 0x00  # fragments that others follow


def frame(head: int, payload: bytes = b"", *, masked: bool = True) -> bytes:
    """A WebSocket frame; its mask is zero, so that the payload stays as it is."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    if not masked:
        return bytes([head]) + length + payload
    return bytes([head, length[0] | 0x80]) + length[1:] + b"\0\0\0\0" + payload


@dataclass(frozen=True)
class Kind:
    """`first` is sent once, then `again` for ever. A `dribble` sends byte by byte."""

    first: bytes = b""
    again: bytes = b""
    path: str = "/ws/chat/hostile/"
    with_session: bool = True
    header: bytes = b""
    dribble: bool = False
    handshakes: bool = True
    reads: bool = False  # what it is sent
    stays: bool = True  # after the server's close frame, until it is cut off

    @property
    def block(self) -> bytes:
        return self.again * max(1, BLOCK // len(self.again))


PAYLOADS = {
    "empty pongs": (b"", frame(PONG)),
    "full pongs": (b"", frame(PONG, b"x" * 125)),
    "pings that nobody reads": (b"", frame(PING, b"x" * 125)),
    "empty texts": (b"", frame(TEXT)),
    "tiny texts": (b"", frame(TEXT, b"{}")),
    "commands": (b"", frame(TEXT, b'{"type":"ping"}')),
    "empty fragments": (frame(FIRST), frame(MORE)),
    "one-byte fragments": (frame(FIRST, b"x"), frame(MORE, b"x")),
    "continuations of nothing": (b"", frame(MORE, b"x")),
    "reserved bits": (b"", frame(0xF1, b"x")),
    "frames without a mask": (b"", frame(TEXT, b"x", masked=False)),
    "text that is not UTF-8": (b"", frame(TEXT, b"\xff\xfe")),
    "close frames": (b"", frame(CLOSE, b"\x03\xe8")),
    "a frame too long": (b"\x81\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0", b"x" * 1024),
}
NOWHERE = "/ws/nowhere/"
TALK = "/ws/chat/talk/"  # where the people are, and has scrollback
SCROLLBACK = frame(TEXT, b'{"type":"chat.history","limit":100}')
WHO_IS_THERE = frame(TEXT, b'{"type":"presence.get"}')
ENDLESS = b"X-A: b\r\n"
KINDS: dict[str, Kind] = {
    **{f"{name}, nowhere": Kind(*each, path=NOWHERE) for name, each in PAYLOADS.items()},
    **{f"{name}, signed in": Kind(*each) for name, each in PAYLOADS.items()},
    "scrollback": Kind(again=SCROLLBACK, path=TALK, reads=True),
    "scrollback, guests": Kind(again=SCROLLBACK, path=TALK, with_session=False, reads=True),
    "who is there": Kind(again=WHO_IS_THERE, path=TALK, reads=True),
    "who is there, guests": Kind(again=WHO_IS_THERE, path=TALK, with_session=False, reads=True),
    "byte by byte": Kind(b"\x81\xfe\xff\xff\0\0\0\0", b"x", dribble=True),
    "a request byte by byte": Kind(
        b"GET /chat/ HTTP/1.1\r\nX: ", b"x", dribble=True, handshakes=False
    ),
    "a body byte by byte": Kind(
        b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n",
        b"x",
        dribble=True,
        handshakes=False,
    ),
    "a body without end": Kind(
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"x",
        handshakes=False,
    ),
    "headers without end": Kind(b"GET /ws/chat/a/ HTTP/1.1\r\n", ENDLESS, handshakes=False),
    "no request": Kind(again=b"x\r\n", handshakes=False),
    "half a handshake": Kind(b"GET /ws/chat/a/ HTTP/1.1\r\nHost: a\r\n", handshakes=False),
    "come back from nowhere": Kind(path=NOWHERE, stays=False),
    "come back from another site": Kind(header=b"Origin: http://evil.example", stays=False),
    "come back by a malformed address": Kind(header=b"Origin: http://[x", stays=False),
    "come back with a protocol twice": Kind(header=b"Sec-WebSocket-Protocol: a, a", stays=False),
    "come back with a protocol that is no text": Kind(
        header=b"Sec-WebSocket-Protocol: \xff", stays=False
    ),
    "come back without a session": Kind(with_session=False, stays=False),
    "come and go": Kind(frame(TEXT, b'{"type":"ping"}'), frame(CLOSE, b"\x03\xe8")),
}


def handshake(kind: Kind, cookie: str) -> bytes:
    lines = [
        f"GET {kind.path} HTTP/1.1".encode(),
        b"Host: 127.0.0.1",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    if kind.with_session:
        lines.append(f"Cookie: {cookie}".encode())
    if kind.header:
        lines.append(kind.header)
    return b"\r\n".join([*lines, b"", b""])


def come_once(kind: Kind, port: int, cookie: str, address: str, came: threading.Event) -> None:
    """Connect, and send until the connection is cut off or, where it does not stay, closed."""
    with socket.create_connection(("127.0.0.1", port), GIVE_UP, (address, 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind.handshakes:
            connection.sendall(handshake(kind, cookie))
            answer = connection.recv(4096)
            came.set()
            if b" 101 " not in answer or (CLOSED in answer and not kind.stays):
                return
        connection.settimeout(None)
        if kind.first:
            connection.sendall(kind.first)
        came.set()
        if kind.reads:
            threading.Thread(target=_read, args=(connection,), daemon=True).start()
        if not kind.again:
            _wait(kind, connection)
            return
        block = kind.again if kind.dribble else kind.block
        while True:
            connection.sendall(block)
            if kind.dribble:
                time.sleep(PAUSE)


def _wait(kind: Kind, connection: socket.socket) -> None:
    while data := connection.recv(4096):
        if CLOSED in data and not kind.stays:
            return


def _read(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(BLOCK):
            pass


def keep_coming(kind: Kind, port: int, cookie: str, address: str, came: threading.Event) -> None:
    while True:
        with suppress(OSError):
            come_once(kind, port, cookie, address, came)
        time.sleep(PAUSE)


@asynccontextmanager
async def hostile_sockets(
    port: int, cookie: str, address: str, kinds: Sequence[str]
) -> AsyncIterator[None]:
    """Have them there for as long as the block runs."""
    arguments = ("-m", "bench.hostile", str(port), cookie, address, *kinds)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise ConnectionError("no hostile socket came")
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main() -> None:
    port, cookie, address, *names = sys.argv[1:]
    os.nice(10)  # on other machines, they would take nothing from who is measured here
    came = []
    for name in islice(cycle(names), SOCKETS):
        came.append(threading.Event())
        arguments = (KINDS[name], int(port), cookie, address, came[-1])
        threading.Thread(target=keep_coming, args=arguments, daemon=True).start()
    for each in came:
        each.wait()
    print("all are there", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
