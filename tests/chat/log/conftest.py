"""A room with people in it, and a message of one of them."""

import pytest

from chat.factories import MessageFactory
from chat.models import Message
from tests.support.sockets import Cast, cast_of


@pytest.fixture
def cast() -> Cast:
    return cast_of()


@pytest.fixture
def message(cast: Cast) -> Message:
    """Mia's."""
    return MessageFactory(room=cast.room, author=cast.member, body="before")
