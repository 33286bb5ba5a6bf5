"""What a load balancer asks: is the process alive, and can it do its work?"""

import logging
from collections.abc import Callable

from django.db import DatabaseError, ProgrammingError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from core import tasks
from core.database import readiness as database
from core.database.postgresql.failures import failure_of
from core.redis import readiness as redis_server
from core.trouble import Trouble
from core.web import probes

logger = logging.getLogger(__name__)

WITHIN = 1.5  # seconds to get a connection: who asks waits not much longer for an answer


class ProbeMiddleware(MiddlewareMixin):
    """Answers before anything else looks at the request: who asks from beside us comes without
    https, and by an address that is not in ALLOWED_HOSTS. For others it is an address like any."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        probe = PROBES.get(request.path_info)
        if probe is None or probes.is_passed_on(request):
            return None
        answer = probe(request)
        if answer.status_code == 405 or probes.is_beside_us(request):
            return answer
        return probes.without_details(answer)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nobody else: restarting us would not bring a database back."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where PostgreSQL can be written to and has our tables, and vital work goes on; else 503.

    Without Redis the chat goes on: it is only named. So is other work that has failed and begins
    again (`down`): then something comes late.
    """
    postgresql = _answer("postgresql", _ask_postgresql, lambda error: failure_of(error).word)
    answers = {
        "postgresql": postgresql,
        "tables": _answer("tables", _ask_tables, lambda _: "missing")
        if postgresql == "ok"
        else "unknown",
        "redis": _answer("redis", redis_server.ask, redis_server.word_of),
    }
    well = answers["postgresql"] == answers["tables"] == "ok" and not tasks.down(vital=True)
    return JsonResponse(
        {"status": "ok" if well else "unavailable"} | answers | {"down": tasks.down()},
        status=200 if well else 503,
    )


troubles = {
    name: Trouble(logger, f"Not ready, {name}") for name in ("postgresql", "tables", "redis")
}


def _answer(name: str, ask: Callable[[], object], word: Callable[[Exception], str]) -> str:
    """ "ok", or in a word what is wrong."""
    try:
        ask()
    except (DatabaseError, RedisError, OSError) as error:
        troubles[name].met(error)
        return word(error)
    troubles[name].over()
    return "ok"


def _ask_postgresql() -> None:
    database.ensure_connection(WITHIN)
    database.ensure_writes()


def _ask_tables() -> None:
    if missing := database.unapplied_migrations():
        raise ProgrammingError(f"{len(missing)} migrations are missing: run `manage.py migrate`")


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": ready, "/livez": live}
