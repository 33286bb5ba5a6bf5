from django.urls import path, re_path

from chat import views
from chat.models.slugs import SLUG_PATTERN

urlpatterns = [
    path("", views.rooms, name="rooms"),
    path("visibility/", views.visibility, name="visibility"),
    re_path(rf"^(?P<slug>{SLUG_PATTERN})/$", views.room, name="room"),
]
