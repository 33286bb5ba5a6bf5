"""This chat, but each coming and going is told to everybody at once and by itself, however many
are there: what `bench.storm` measures presence against. Run as `python -m bench.one_by_one`."""

import os
from collections.abc import Sequence

import django

from chat.live.outbox import Parcel
from core import server
from presence.store import Movement

EVERYBODY = {"PRESENCE_LIST_MAX": "1000000", "PRESENCE_SHOWN": "1000000"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    os.environ.update(EVERYBODY)
    django.setup()
    from chat.online.audience import Audience

    def tell(self: Audience, news: Sequence[Movement]) -> None:
        for change in news:
            frame = self._change(change)
            self._push(Parcel([frame]))
            self._tell_newcomers([(change.version, frame)])
        self._settle()

    Audience.tell = tell  # type: ignore[method-assign]
    server.main()


if __name__ == "__main__":
    main()
