"""What may be given as a reaction, and how spellings of one emoji are one."""

from typing import Any

import msgspec
import pytest

from chat.factories import UserFactory
from chat.log import apply, history
from chat.log.write import Write
from chat.models import Message, Reaction
from chat.protocol.changes import Change, Repeated
from chat.protocol.commands import React
from chat.protocol.errors import Refused
from core.emoji import is_emoji, spelled
from core.models import User
from tests.support.sockets import Cast

pytestmark = pytest.mark.usefixtures("db")


def react(message: Message, user: User, emoji: str, on: bool = True) -> Any:
    command = React(id=message.pk, emoji=emoji, on=on)
    (outcome,) = apply.apply([Write(message.room_id, user.pk, command)])
    return outcome


def reactions(change: Change) -> dict[str, list[int]]:
    found: dict[str, list[int]] = msgspec.json.decode(change.state).get("reactions", {})
    return found


def read(message: Message) -> dict[str, list[int]]:
    return history.states(message.room_id, [message.pk])[message.pk].reactions


@pytest.mark.parametrize(
    "emoji", ["👍", "👍🏽", "❤️", "👨\u200d👩\u200d👧", "🏳️\u200d🌈", "🇩🇪", "1️⃣", "©️", "🫨"]
)
def test_an_emoji_is_given(cast: Cast, message: Message, emoji: str) -> None:
    assert reactions(react(message, cast.owner, emoji)) == {emoji: [cast.owner.pk]}


@pytest.mark.parametrize(
    "emoji",
    [
        *(" ", "\u2800", "\u3164", "\u115f", "\u200b", "\u034f", "\x1b", "\ufe0f", "\u200d"),
        *("x", "ok", "1", "#", "👍👍", "👍x", "🏽", "🇩", ":shrug:", "\u202e👍", "a\u0301"),
    ],
)
def test_anything_else_is_not(cast: Cast, message: Message, emoji: str) -> None:
    outcome = react(message, cast.owner, emoji)
    assert isinstance(outcome, Refused)
    assert outcome.code == "bad_command"
    assert not Reaction.objects.exists()


def test_spellings_of_one_emoji_are_one(cast: Cast, message: Message) -> None:
    react(message, cast.owner, "❤")
    both = react(message, cast.member, "❤️")
    assert reactions(both) == {"❤️": [cast.owner.pk, cast.member.pk]} == read(message)
    assert isinstance(react(message, cast.owner, "❤️"), Repeated)
    assert reactions(react(message, cast.owner, "❤️", on=False)) == {"❤️": [cast.member.pk]}


def test_those_that_were_stored_before_stay_and_are_shown_as_one(
    cast: Cast, message: Message
) -> None:
    for user, emoji in ((cast.owner, "❤"), (cast.owner, "❤️"), (cast.member, "❤")):
        Reaction.objects.create(message=message, user=user, emoji=emoji)
    assert read(message) == {"❤️": [cast.owner.pk, cast.member.pk]}
    taken = react(message, cast.owner, "❤️", on=False)
    assert reactions(taken) == {"❤️": [cast.member.pk]} == read(message)
    assert Reaction.objects.count() == 1


def test_a_custom_one_that_an_import_brought_can_be_joined(cast: Cast, message: Message) -> None:
    Reaction.objects.create(message=message, user=cast.owner, emoji=":partyparrot:")
    joined = react(message, cast.member, ":partyparrot:")
    assert reactions(joined) == {":partyparrot:": [cast.owner.pk, cast.member.pk]}


def test_what_nobody_sees_cannot_be_joined_but_taken_back(cast: Cast, message: Message) -> None:
    Reaction.objects.create(message=message, user=cast.owner, emoji="\u2800")
    assert isinstance(react(message, cast.member, "\u2800"), Refused)
    assert reactions(react(message, cast.owner, "\u2800", on=False)) == {}


def test_one_person_does_not_use_up_what_a_message_takes(
    cast: Cast, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reaction, "EACH_MAX", 2)
    for emoji in ("👍", "🎉"):
        assert isinstance(react(message, cast.owner, emoji), Change)
    refused = react(message, cast.owner, "🚀")
    assert (refused.code, refused.detail) == (
        "forbidden",
        "You can give a message at most 2 reactions.",
    )
    react(message, cast.owner, "👍", on=False)
    assert isinstance(react(message, cast.owner, "🚀"), Change)
    assert isinstance(react(message, UserFactory(), "😂"), Change)


def test_a_person_s_share_leaves_room_for_others() -> None:
    assert Reaction.EACH_MAX * 2 <= Reaction.DISTINCT_MAX


def test_every_emoji_of_the_library_has_one_spelling() -> None:
    for spelling in ("❤", "❤️", "❤\ufe0e", "❤\ufe0f\ufe0f"):
        assert (spelled(spelling), is_emoji(spelling)) == ("❤️", True)
    assert spelled(":heart:") == ":heart:"
