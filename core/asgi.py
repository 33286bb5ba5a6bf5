"""The ASGI application: pages over HTTP, rooms over WebSocket."""

import os
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponseBadRequest

from core.daphne.close import Close

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
django.setup(set_prefix=False)  # before the apps' modules are imported

from channels.routing import URLRouter  # noqa: E402

from chat.routing import websocket_urlpatterns  # noqa: E402


class _Pages(ASGIHandler):
    def create_request(self, scope: Any, body_file: Any) -> Any:
        try:
            return super().create_request(scope, body_file)
        except ValueError:  # a Content-Type with a charset that Python does not know
            return None, HttpResponseBadRequest()


_pages = _Pages()
_rooms = URLRouter(websocket_urlpatterns)


async def _sockets(scope: Any, receive: Any, send: Any) -> None:
    try:
        await _rooms(scope, receive, send)
    except ValueError as error:
        if "No route found" not in str(error):
            raise
        # Accept, then close: before it is accepted a browser sees no code.
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": int(Close.NO_ROOM)})


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await _pages(scope, receive, send)
    elif scope["type"] == "websocket":
        await _sockets(scope, receive, send)
    else:
        raise ValueError(f"This application does not speak {scope['type']}.")
