"""What crawlers are asked to leave alone: opening a room makes a guest, and maybe the room."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

RULES = """\
User-agent: *
Disallow: /chat/
Disallow: /accounts/
Disallow: /admin/
"""


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(RULES, content_type="text/plain")
