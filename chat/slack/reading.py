"""A JSON list as a stream, entry by entry: a busy day in one piece would fill the memory."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator

from chat.slack.files import Unreadable

# One entry may not fill the memory either; Slack's own are far below.
ENTRY_MAX = 4 * 1024 * 1024  # characters
_AFTER_VALUE = frozenset(" \t\n\r,]")
_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def entries_of(chunks: Iterable[bytes]) -> Iterator[object]:
    """The values of the list, in UTF-8 or, by its first bytes, UTF-16 or UTF-32.

    Raises Unreadable at the place where it turns out to be something else.
    """
    text = _Window(chunks)
    if (sign := text.sign()) != "[":
        is_json = sign and sign in '{"-0123456789tfn'
        raise Unreadable("is not a list of entries" if is_json else "is not JSON")
    text.at += 1
    number = 0
    if text.sign() == "]":
        text.at += 1
    else:
        sign = ","
        while sign == ",":
            yield text.value(number)
            number += 1
            sign = text.sign()
            text.at += 1
            if sign not in (",", "]"):
                raise _no_json("a comma or the end of the list is missing", number)
    if text.sign():
        raise _no_json("there is more after the list", number)


def _no_json(why: str, number: int) -> Unreadable:
    return Unreadable(f"is not JSON ({why}, after {number:,} entries)")


class _Window:
    """The part of a text that is being looked at: `buffer` from `at` on."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._pieces = _decoded(chunks)
        self.buffer, self.at = "", 0
        self._ended = False

    def sign(self) -> str:
        """The next character that is no space, "" at the end. Stays before it."""
        while True:
            match = _SPACE.match(self.buffer, self.at)
            assert match is not None
            self.at = match.end()
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if self._ended:
                return ""
            self._read(1)

    def value(self, number: int) -> object:
        """The `number`th value."""
        self.sign()
        while True:
            why = "it breaks off"
            try:
                value, end = _decode(self.buffer, self.at)
            except RecursionError as error:
                raise _no_json("too deep", number) from error
            except ValueError as error:  # so far: the rest of it may be still to come
                why = getattr(error, "msg", str(error))
            else:
                # A number that ends where the buffer does may go on, as "-0" or "-0." do.
                if self._ended or self.buffer[end : end + 1] in _AFTER_VALUE:
                    self.at = end
                    return value
            if self._ended:
                raise _no_json(why, number)
            if len(self.buffer) - self.at > ENTRY_MAX:
                raise _no_json(f"an entry is broken, or over {ENTRY_MAX:,} characters", number)
            self._read(len(self.buffer) - self.at)

    def _read(self, wanted: int) -> None:
        """At least `wanted` characters more, where there are: twice as many are tried each time."""
        pieces, got = [self.buffer[self.at :]], 0
        while got < wanted and not self._ended:
            piece = next(self._pieces, None)
            self._ended = piece is None
            pieces.append(piece or "")
            got += len(piece or "")
        self.buffer, self.at = "".join(pieces), 0


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    stream = iter(chunks)
    head = b""
    while len(head) < 4 and (chunk := next(stream, b"")):
        head += chunk
    encoding = json.detect_encoding(head)
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        yield decoder.decode(head)
        for chunk in stream:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not text in {error.encoding.upper()}") from error
