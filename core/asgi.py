"""The ASGI application: pages over HTTP, rooms over WebSocket."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
pages = get_asgi_application()  # before the apps' modules are imported

from channels.routing import URLRouter  # noqa: E402

from chat.routing import websocket_urlpatterns  # noqa: E402

_rooms = URLRouter(websocket_urlpatterns)


async def _sockets(scope: Any, receive: Any, send: Any) -> None:
    try:
        await _rooms(scope, receive, send)
    except ValueError as error:
        if "No route found" not in str(error):
            raise
        # Accept, then close: before it is accepted a browser sees no code.
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4404})


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await pages(scope, receive, send)
    elif scope["type"] == "websocket":
        await _sockets(scope, receive, send)
    else:
        raise ValueError(f"This application does not speak {scope['type']}.")
