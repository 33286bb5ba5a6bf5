"""Sessions from before our cookies had names of our own go on once, under the new name.

Else whoever was signed in would have to sign in again, and guests would lose who they are. The
former name is anybody's: another program on this host may set it. So what it says counts only
without a cookie of ours, and only for a session that was last written before the names changed;
with that it is written anew, and cannot be taken over again. Sessions live for
SESSION_COOKIE_AGE: two weeks after the upgrade there is none left, and this file may go.

The former cookie is not removed at once: while servers are replaced one after the other, the next
page may come from one that knows no other name. It goes when the session's cookie is next written.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.accounts.sessions import SessionStore
from core.web import outage

NAME = "sessionid"


def session(key: str | None) -> SessionStore | None:
    """The session of a former cookie, if it is one of ours that may be taken over."""
    if not key:
        return None
    store = SessionStore(key)
    return store if store.is_from_before() else None


class SessionMiddleware(outage.SessionMiddleware):
    def process_request(  # type: ignore[override]  # Django's answers nothing, and may
        self, request: HttpRequest
    ) -> HttpResponse | None:
        super().process_request(request)
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            try:
                former = session(request.COOKIES.get(NAME))
            except outage.OUTAGES as error:
                return outage.unavailable(request, error)
            if former is not None:
                former.modified = True
                request.session = former
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        is_written = settings.SESSION_COOKIE_NAME in response.cookies
        if is_written and key and request.COOKIES.get(NAME) == key:
            response.delete_cookie(NAME, samesite="Lax")
        return response
