"""Whose sockets are turned away comes back one at a time; who stays comes back at once."""

import asyncio

import pytest

from core import rates
from core.daphne import returns
from core.daphne.returns import AT_ONCE, DEBT_MAX, GONE, TURNED_AWAY, WAITING_MAX, Returns
from tests.support.clock import Clock

OFFICE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


A_SECOND = 500.0


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returns, "A_SECOND", A_SECOND)


def indebted() -> Returns:
    debts = Returns()
    for _ in range(10 * AT_ONCE):
        debts.count(OFFICE, TURNED_AWAY)
    return debts


def test_a_thousand_who_stay_do_not_wait() -> None:
    debts = Returns()
    assert not any(debts.must_wait(OFFICE) for _ in range(1_000))


def test_an_address_waits_once_so_many_of_its_sockets_were_turned_away() -> None:
    for price in (TURNED_AWAY, GONE):
        debts = Returns()
        many = 0
        while not debts.must_wait(OFFICE):
            debts.count(OFFICE, price)
            many += 1
        assert many == pytest.approx(AT_ONCE / price, rel=0.05)
        assert not debts.must_wait(ELSEWHERE)


async def test_who_waits_is_let_in_in_order_and_who_has_left_takes_no_turn() -> None:
    debts, loop = indebted(), asyncio.get_running_loop()
    let_in: list[int] = []
    in_by_then: list[int] = []
    done = asyncio.Event()

    def enter(number: int) -> bool:
        if number == 1:
            return False
        let_in.append(number)
        loop.call_soon(lambda: in_by_then.append(len(let_in)))
        if number == 4:
            loop.call_soon(done.set)
        return True

    for number in range(5):
        assert debts.wait(OFFICE, lambda number=number: enter(number))
        assert debts.must_wait(OFFICE)
    async with asyncio.timeout(5):
        await done.wait()
    assert let_in == [0, 2, 3, 4]
    assert in_by_then == [1, 2, 3, 4]  # one at a time


def test_a_debt_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(rates, "time", clock)
    debts = indebted()
    clock.now += DEBT_MAX / A_SECOND
    assert debts.must_wait(OFFICE)
    clock.now += (TURNED_AWAY + 1) / A_SECOND
    assert not debts.must_wait(OFFICE)


async def test_so_many_may_wait_and_no_more() -> None:
    debts = indebted()
    waiting = [debts.wait(OFFICE, lambda: True) for _ in range(WAITING_MAX + 10)]
    assert waiting.count(True) == WAITING_MAX
