"""A page while the database cannot do its work: not our fault to be looked for, but to be tried
again."""

import logging

from django.contrib.sessions.middleware import SessionMiddleware as DjangosSessionMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from core.trouble import Trouble

logger = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds
OUTAGES = (OperationalError, InterfaceError)

serving = Trouble(logger, "Pages could not be served")


class OutageMiddleware(MiddlewareMixin):
    """For what a view or its template has met."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request, exception) if isinstance(exception, OUTAGES) else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code < 500:
            serving.over()
        return response


class SessionMiddleware(DjangosSessionMiddleware):
    """Writes the session when the view is done, where no other middleware can catch what comes."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except OUTAGES as error:
            return unavailable(request, error)


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    serving.met(f"{request.path}: {error}")
    page = render_to_string("503.html")
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})


class SaidHere(logging.Filter):
    """For Django's log of answers, which would say each of these once more."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != 503
