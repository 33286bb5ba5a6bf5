"""A channel layer that loses, doubles and reorders what a process receives, at random."""

import random
from collections import deque
from typing import Any

from django.conf import settings

from core.redis.layers import PublishLayer

Message = dict[str, Any]


class UnreliableLayer(PublishLayer):
    """What it holds back for later comes after others; a process's pulses keep that moving.

    The pulses themselves get through: to say that Redis is away is another fault.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        faults: str = settings.FAULTS_LAYER  # type: ignore[misc]
        chances = dict(pair.split("=") for pair in faults.split(","))
        self._drop = float(chances.get("drop", 0))
        self._double = float(chances.get("double", 0))
        self._late = float(chances.get("late", 0))
        self._random = random.Random(chances.get("seed"))
        self._held: deque[Message] = deque()

    async def receive(self, channel: str) -> Message:
        while True:
            if self._held and self._random.random() < 0.3:
                self._held.rotate(self._random.randrange(len(self._held)))
                return self._held.popleft()
            message: Message = await super().receive(channel)
            if message["type"] == "hub.pulses":
                return message
            fate = self._random.random()
            if fate < self._drop:
                continue
            if fate < self._drop + self._double:
                self._held.append(message)
            elif fate < self._drop + self._double + self._late:
                self._held.append(message)
                continue
            return message
