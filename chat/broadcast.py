"""Telling every server process something, from code that is no socket: pages and the admin."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from chat.events import Change
from chat.hub import HUBS, LAYER_TIMEOUT

logger = logging.getLogger(__name__)


def tell_processes(*messages: dict[str, Any]) -> bool:
    """Send each message to the handlers of its type in every process, all at once; False where
    Redis is away."""
    bundle = {"type": "hub.bundle", "from": "", "messages": messages}
    try:
        async_to_sync(_send)(bundle)
    except (RedisError, OSError) as error:  # and a TimeoutError, which is an OSError
        logger.warning("The server processes could not be told: %r", error)
        return False
    return True


def announce(room: int, changes: Sequence[Change]) -> None:
    """Show in every process what was committed past its writer. What is not heard is found soon
    after, by comparing heads."""
    tell_processes({"type": "room.changes", "room": room, "changes": changes})


async def _send(bundle: dict[str, Any]) -> None:
    async with asyncio.timeout(LAYER_TIMEOUT):
        await get_channel_layer().group_send(HUBS, bundle)
