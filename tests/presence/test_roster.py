"""What one process knows of a scope: in order, without holes, or it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.roster import Roster
from presence.store import Movement, State


def joined(user: str, version: int) -> Movement:
    return Movement("joined", user, version, 0)


def left(user: str, version: int) -> Movement:
    return Movement("left", user, version, 0)


def known(*users: str, version: int) -> Roster:
    roster = Roster()
    roster.reset(State(frozenset(users), version))
    return roster


def test_it_knows_nothing_until_it_is_told_a_state() -> None:
    roster = Roster()
    assert roster.apply([joined("ann", 1)]) == ([], True)
    assert not roster.known
    assert roster.misses
    assert roster.reset(State(frozenset(), 0))
    assert roster.known
    assert (list(roster.users), roster.version) == (["ann"], 1), "what came meanwhile has waited"
    assert not roster.misses


def test_changes_are_applied_in_the_order_of_versions() -> None:
    roster = known("ann", version=5)
    changes = [left("bob", 8), joined("bob", 6), left("ann", 7)]
    assert roster.apply(changes) == (sorted(changes, key=lambda one: one.version), False)
    assert (list(roster.users), roster.version) == ([], 8)


def test_what_was_seen_is_dropped() -> None:
    roster = known("ann", version=5)
    assert roster.apply([left("ann", 5), joined("bob", 4)]) == ([], False)
    assert list(roster.users) == ["ann"]


def test_what_comes_early_waits_for_what_is_late() -> None:
    roster = known(version=5)
    changes = [joined("ann", 6), joined("bob", 7), left("ann", 8), joined("eve", 9)]
    assert roster.apply(changes[1:3]) == ([], True)
    assert roster.apply(changes[1:2]) == ([], True)
    assert roster.apply(changes[:1]) == (changes[:3], False)
    assert not roster.misses
    assert roster.apply(changes) == (changes[3:], False)
    assert list(roster.users) == ["bob", "eve"]


def test_not_everything_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("presence.roster.PENDING", 2)
    roster = known(version=5)
    roster.apply([joined("ann", 7), joined("bob", 8), joined("eve", 9)])
    assert roster.apply([joined("dan", 6)]) == ([], True)
    roster.reset(State(frozenset({"ann", "bob"}), 8))
    assert roster.misses, "what could not wait is missing"
    roster.reset(State(frozenset({"ann", "bob", "eve"}), 9))
    assert not roster.misses, "what the state has, waits no more"


def test_a_state_is_taken_with_what_has_waited_for_it() -> None:
    roster = known(version=5)
    roster.apply([joined("bob", 9), joined("ann", 8)])
    assert roster.reset(State(frozenset({"eve"}), 7))
    assert (list(roster.users), roster.version) == (["eve", "ann", "bob"], 9)
    assert not roster.misses


def test_a_scope_that_redis_has_forgotten_is_empty() -> None:
    """Nobody is left who could restore it, and it has no version any more."""
    roster = known("ann", version=5)
    roster.hear(0, 0)
    assert roster.misses
    assert roster.reset(State(frozenset(), 0), roster.newest)
    assert list(roster.users) == []


def test_up_to_a_hole_it_goes_and_says_so() -> None:
    roster = known(version=5)
    assert roster.apply([joined("ann", 6), joined("eve", 8)]) == ([joined("ann", 6)], True)
    assert (list(roster.users), roster.version) == (["ann"], 6)
    assert roster.misses, "it knows of more"


def test_an_older_state_is_no_news() -> None:
    roster = known("ann", "bob", version=5)
    assert not roster.reset(State(frozenset(), 4))
    assert (list(roster.users), roster.version) == (["ann", "bob"], 5)
    roster.reset(State(frozenset({"eve"}), 9))
    assert (list(roster.users), roster.version) == (["eve"], 9)


def test_a_scope_that_has_fallen_back_is_read_and_followed_from_there() -> None:
    """Redis came back with older data: its versions come again, for other changes."""
    roster = known("ann", "bob", version=100)
    roster.apply([joined("eve", 103)])  # of before, and never to be applied
    roster.hear(96, 1)
    assert roster.misses
    assert roster.reset(State(frozenset({"ann"}), 96), roster.newest)
    assert (list(roster.users), roster.version) == (["ann"], 96)
    assert roster.misses, "97 may have come, and been dropped as seen"
    roster.reset(State(frozenset({"ann", "dan"}), 97), roster.newest)
    assert not roster.misses
    assert roster.apply([left("dan", 98)]) == ([left("dan", 98)], False)


def test_a_scope_that_has_fallen_below_what_was_heard_is_read_too() -> None:
    roster = known("ann", version=100)
    roster.apply([joined("bob", 103)])
    roster.hear(105, 6)
    assert roster.reset(State(frozenset({"dan"}), 102), roster.newest)
    assert list(roster.users) == ["dan"], "103 was another one"
    roster.reset(State(frozenset({"dan"}), 102), roster.newest)
    assert not roster.misses, "105 will not come"


def test_a_scope_that_has_fallen_and_caught_up_is_known_by_its_number_of_users() -> None:
    roster = known("ann", version=100)
    roster.hear(100, 1)
    assert not roster.misses
    roster.hear(100, 2)
    assert roster.misses
    assert roster.reset(State(frozenset({"ann", "eve"}), 100), roster.newest)
    assert (list(roster.users), roster.misses) == (["ann", "eve"], False)


def test_the_highest_version_that_was_heard_of_counts() -> None:
    roster = known("ann", version=100)
    roster.hear(103, 4)
    roster.hear(101, 2)
    roster.reset(State(frozenset({"ann", "bob"}), 101))
    assert roster.misses


def test_a_version_heard_late_is_asked_about_once() -> None:
    roster = known("ann", version=100)
    roster.hear(99, 0)
    assert roster.misses
    assert not roster.reset(State(frozenset({"ann"}), 100), roster.newest)
    assert not roster.misses


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.data())
def test_whatever_is_lost_doubled_or_late_it_is_right_or_knows_that_it_is_not(
    toggled: list[str], data: st.DataObject
) -> None:
    here: set[str] = set()
    history = [State(frozenset(), 100)]
    changes = []
    for version, user in enumerate(toggled, start=101):
        changes.append(Movement("left" if user in here else "joined", user, version, 0))
        here ^= {user}
        history.append(State(frozenset(here), version))
    roster = known(version=100)
    if changes:
        newest = 0
        for one in data.draw(st.lists(st.sampled_from(changes), max_size=60)):
            _, hole = roster.apply([one])
            newest = max(newest, one.version)
            assert hole == (newest > roster.version)
            assert set(roster.users) == history[roster.version - 100].users
    roster.apply(changes)
    assert (set(roster.users), roster.version) == (here, history[-1].version)
