"""What a scope is called in Redis by the chat on the database that this process uses."""

from core.redis import installation
from presence.store import keys


def presence_keys(scope: str) -> list[str]:
    return keys(scope, installation.prefix())
