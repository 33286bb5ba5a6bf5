"""Fixtures of the tests that talk to a server over sockets."""

from tests.presence.cluster import cluster
from tests.support.sockets import (
    cast,
    chat,
    chat_database,
    enter,
    redis_server,
    second,
)

__all__ = ["cast", "chat", "chat_database", "cluster", "enter", "redis_server", "second"]
