"""The codes that a socket is closed with: chat/PROTOCOL.md says what each means to a client."""

from enum import IntEnum


class Close(IntEnum):
    """js/model/close.js has the same. Daphne takes 1000 and 3000 to 4999 only: on another code,
    1011 too, it raises, and the socket would stay open and deaf."""

    COME_BACK = 1000  # a failure of ours, or a session or a room that is another one now
    BAD_FRAMES = 4400
    SIGN_IN = 4401
    FORBIDDEN = 4403
    NO_ROOM = 4404
    TOO_SLOW = 4408
    DISCONNECTED = 4409
    LEAVING = 4410
    TOO_MANY = 4429
