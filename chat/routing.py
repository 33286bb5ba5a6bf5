from django.urls import re_path

from chat.consumers import RoomConsumer
from chat.models.slugs import SLUG_PATTERN

websocket_urlpatterns = [
    re_path(rf"^ws/chat/(?P<slug>{SLUG_PATTERN})/$", RoomConsumer.as_asgi()),
]
