"""How much of what a socket has sent may be worked on now: counted in frames, before they are read.

Autobahn takes some 30 µs for each frame, whatever is in it, and as many of them as one read brings:
ten thousand empty pongs fit. Here only their heads are looked at.
"""

from core.rates import Bucket

WHOLE_TEXT = 0x81  # the first byte of a text frame that is a message by itself
TEXT_COSTS = 1
# A pong, a ping, a fragment, a frame in bytes: browsers send nearly none of them.
OTHER_COSTS = 5
HEAD_MAX = 14  # bytes
TURN = 50  # frames at once; then it is others' turn


class Allowance:
    """Of one socket; follows where its frames begin. Each read costs a token at least, so that a
    frame cannot be sent byte by byte for nothing."""

    __slots__ = ("_head", "_inside", "bucket")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._inside = 0  # bytes that are still to come of the frame that has begun
        self._head = b""  # of a frame whose head has not come whole

    def take(self, data: bytes) -> int:
        """How many bytes of `data`, from its beginning, may be worked on now. They are paid for."""
        left = self.bucket.level()
        if left < 1:
            return 0
        size = len(data)
        at = min(self._inside, size)
        self._inside -= at
        cost = frames = 0
        while at < size:
            begun = self._head
            if not begun:
                price = TEXT_COSTS if data[at] == WHOLE_TEXT else OTHER_COSTS
                if frames == TURN or cost + price > left:
                    break
                frames += 1
                cost += price
            head = begun + data[at : at + HEAD_MAX - len(begun)]
            length = head_length(head)
            if len(head) < length:
                self._head = head
                at = size
                break
            payload = payload_length(head)
            at += length - len(begun)
            self._head = b""
            part = min(payload, size - at)
            at += part
            self._inside = payload - part
        if at:
            self.bucket.spend(cost or 1)
        return at


def head_length(head: bytes) -> int:
    """Of the frame that begins so (RFC 6455, section 5.2); 2 where that is not known yet."""
    if len(head) < 2:
        return 2
    second = head[1]
    size = second & 0x7F
    return 2 + (2 if size == 126 else 8 if size == 127 else 0) + (4 if second & 0x80 else 0)


def payload_length(head: bytes) -> int:
    size = head[1] & 0x7F
    if size < 126:
        return size
    return int.from_bytes(head[2:4] if size == 126 else head[2:10], "big")
