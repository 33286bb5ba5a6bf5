"""The codes that a socket is closed with; chat/PROTOCOL.md says what each means to a client."""

from enum import IntEnum


class Close(IntEnum):
    """Keep chat/static/chat/js/model/close.js equal. Only 1000 and 3000 to 4999: on any other, 1011
    too, Daphne raises and leaves the socket open."""

    COME_BACK = 1000  # a failure of ours, or a session or a room that is another one now
    BAD_FRAMES = 4400
    SIGN_IN = 4401
    FORBIDDEN = 4403
    NO_ROOM = 4404
    TOO_SLOW = 4408
    DISCONNECTED = 4409
    LEAVING = 4410
    TOO_MANY = 4429
