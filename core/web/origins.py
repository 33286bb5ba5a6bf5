"""Which pages may open a socket with a visitor's cookie (cross-site WebSocket hijacking)."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host


def is_browser(scope: Any) -> bool:
    """Every browser sends an Origin with a WebSocket."""
    return any(name == b"origin" for name, _ in scope["headers"])


def is_own_origin(scope: Any) -> bool:
    """True for this site's pages, for those in ORIGINS, and for clients that are no browsers.

    Who sends no Origin has no cookie jar to abuse.
    """
    if not is_browser(scope):
        return True
    headers = dict(scope["headers"])
    origin = headers[b"origin"].decode("latin-1").lower()
    if origin in (allowed.lower() for allowed in settings.ORIGINS):
        return True
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return False
    parsed = urlsplit(origin)
    schemes = ("https",) if settings.HTTPS else ("http", "https")
    return parsed.scheme in schemes and parsed.netloc == host
