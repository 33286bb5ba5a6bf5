"""The chat's settings for a server of which every task that it keeps ends on SIGUSR2, in a pause of
some seconds so that a test can look at it."""

import asyncio
import signal

from django.apps import AppConfig

from core.settings import *  # noqa: F403
from core.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.ending.EndingConfig"]
PAUSE = 4.0


class EndingConfig(AppConfig):
    name = "tests.support.ending"
    label = "ending"

    def ready(self) -> None:
        from core import tasks

        tasks.PAUSE = PAUSE
        signal.signal(signal.SIGUSR2, lambda *_: _end_all())


def _end_all() -> None:
    loop = asyncio.get_running_loop()
    there = {task.get_name(): task for task in asyncio.all_tasks(loop)}
    for name, task in there.items():
        if f"keep {name}" in there:
            loop.call_soon_threadsafe(task.cancel)
