from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """What every page shows: the site's name, and whether guests are welcome."""
    return {"SITE_NAME": settings.SITE_NAME, "CHAT_GUESTS": settings.CHAT_GUESTS}
