from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware
from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """File names that carry a hash of the content, so that they may be cached for ever."""

    # Our modules import each other by relative path; the hashes must follow.
    support_js_module_import_aggregation = True


class MissingStaticFiles(ServeStaticMiddleware):
    """Says 404 for a static file that is not there. It goes before servestatic's own middleware,
    which in DEBUG fails over it, with a traceback for each request of anybody."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(settings.STATIC_URL):
            find_file = sync_to_async(self.find_file, thread_sensitive=False)
            if await find_file(request.path_info) is None:
                raise Http404("There is no such static file.")
        return await self.get_response(request)
