"""What no page can make sense of is refused with 400, in one place and before anything reads it.

A foreign `Host`; a body that cannot be parsed, or is larger than it may be; a charset that is not
UTF-8, which Django would use for the query too, whatever Python knows by that name; and NUL, which
PostgreSQL stores in no text: in an address, a filter or a form it would be a failure of ours.
"""

import logging

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.log import log_response

logger = logging.getLogger(__name__)

UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)


class UnreadableMiddleware(MiddlewareMixin):
    """Answers by itself. Django's own page for 400 looks for the form's token, so it reads the body
    that could not be read once more, and fails for good."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        try:
            request.get_host()
            _refuse_other_charsets(request)
            _refuse_nul(request)
        except UNREADABLE as error:
            response = HttpResponseBadRequest(render_to_string("400.html", request=request))
            # by Django's way, which remembers that it was said
            log_response("%s", str(error), response=response, request=request, logger=logger)
            return response
        return None


def _refuse_other_charsets(request: HttpRequest) -> None:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        request.encoding = "utf-8"  # so that nothing is read by another
        raise BadRequest("A charset other than UTF-8.")


def _refuse_nul(request: HttpRequest) -> None:
    """In a query NUL is always written as %00; the path has been decoded."""
    if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        raise BadRequest("NUL in the address.")
    for name, values in request.POST.lists():
        if "\0" in name or any("\0" in value for value in values):
            raise BadRequest("NUL in a form.")
