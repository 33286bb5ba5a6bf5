"""What a socket may have worked on: frames are counted however TCP has cut them."""

import random

import pytest

from bench.hostile import MORE, PONG, TEXT, frame
from core.daphne.frames import OTHER_COSTS, TEXT_COSTS, TURN, Allowance
from core.rates import Bucket

RICH = 10**9
SIZES = (0, 1, 125, 126, 300, 65_535, 70_000)


def large(head: int, size: int) -> bytes:
    if size < 65_536:
        return frame(head, b"x" * size)
    return bytes([head, 0xFF]) + size.to_bytes(8, "big") + b"\0\0\0\0" + b"x" * size


def spent(allowance: Allowance) -> float:
    return RICH - allowance.bucket.tokens


def test_a_text_costs_one_and_anything_else_more() -> None:
    for head, price in ((TEXT, TEXT_COSTS), (PONG, OTHER_COSTS), (MORE, OTHER_COSTS)):
        allowance = Allowance(Bucket(0, RICH))
        data = frame(head, b"hello") * 10
        assert allowance.take(data) == len(data)
        assert spent(allowance) == 10 * price


@pytest.mark.parametrize("seed", range(5))
def test_frames_are_counted_the_same_wherever_they_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    frames = [large(TEXT, chance.choice(SIZES)) for _ in range(TURN)]
    data = b"".join(frames)
    cuts = sorted(chance.sample(range(1, len(data)), 40) + list(range(1, 20)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    allowance = Allowance(Bucket(0, RICH))
    begun = 0
    for piece in pieces:
        before = spent(allowance)
        assert allowance.take(piece) == len(piece)
        begun += max(0, round(spent(allowance) - before))
    # A piece without the beginning of a frame costs one as well.
    assert TURN <= begun <= TURN + len(pieces)
    assert allowance.take(frame(TEXT)) == len(frame(TEXT))  # it knows where the next one begins


def test_no_more_than_a_turn_is_taken_at_once_and_none_beyond_the_tokens() -> None:
    allowance = Allowance(Bucket(0, RICH))
    pong = frame(PONG)
    assert allowance.take(pong * 10_000) == TURN * len(pong)
    allowance = Allowance(Bucket(0, 3 * OTHER_COSTS))
    assert allowance.take(pong * 10) == 3 * len(pong)
    assert allowance.take(pong * 7) == 0


def test_bytes_one_by_one_are_not_for_nothing() -> None:
    allowance = Allowance(Bucket(0, 20))
    data = frame(TEXT, b"x" * 100)
    taken = sum(allowance.take(data[n : n + 1]) for n in range(len(data)))
    assert taken == 20
