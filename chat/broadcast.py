"""Telling every server process something, from code that is no socket: pages and the admin."""

import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from chat.hub import HUBS

logger = logging.getLogger(__name__)


def tell_processes(message: dict[str, Any]) -> bool:
    """Send `message` to the handlers of its type in every process; False where Redis is away."""
    bundle = {"type": "hub.bundle", "from": "", "messages": [message]}
    try:
        async_to_sync(get_channel_layer().group_send)(HUBS, bundle)
    except (RedisError, OSError) as error:
        logger.warning("The server processes could not be told: %s", error)
        return False
    return True
