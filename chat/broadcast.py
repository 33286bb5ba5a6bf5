"""Telling every server process something, from code that is no socket: pages and the admin."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from chat.events import Change
from chat.mailbox import HUBS, LAYER_TIMEOUT
from core import installation
from core.layers import CHAT
from core.trouble import Trouble

logger = logging.getLogger(__name__)

_telling = Trouble(logger, "The server processes could not be told")


def tell_processes(*messages: dict[str, Any]) -> bool:
    """Send each message to the handlers of its type in every process, all at once; False where
    Redis is away."""
    bundle = {"type": "hub.bundle", "from": "", "messages": messages}
    try:
        installation.prefix()  # with this thread's connection, not another for the event loop
        async_to_sync(_send)(bundle)
    except (RedisError, OSError) as error:  # and a TimeoutError, which is an OSError
        _telling.met(repr(error))
        return False
    _telling.over()
    return True


def announce(room: int, changes: Sequence[Change]) -> None:
    """Show in every process what was committed past its writer. What is not heard is found soon
    after, by comparing heads."""
    tell_processes({"type": "room.changes", "room": room, "changes": changes})


async def _send(bundle: dict[str, Any]) -> None:
    async with asyncio.timeout(LAYER_TIMEOUT):
        await get_channel_layer(CHAT).group_send(HUBS, bundle)
