"""What a load balancer asks: is the process alive, and can it do its work?"""

import logging
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis
from redis.exceptions import RedisError

from core import database

logger = logging.getLogger(__name__)


class ProbeMiddleware(MiddlewareMixin):
    """Answers before anything else looks at the request: who asks from beside us comes without
    https, and by an address that is not in ALLOWED_HOSTS."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        probe = PROBES.get(request.path_info)
        return None if probe is None else probe(request)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nobody else: restarting us would not bring a database back."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where PostgreSQL answers and has our tables, else 503. Without Redis the chat goes on: it
    is only named."""
    answers = {
        "postgresql": "ok" if _answers("postgresql", _ask_postgresql) else "away",
        "tables": "ok" if _answers("tables", _ask_tables) else "missing",
        "redis": "ok" if _answers("redis", _ask_redis) else "away",
    }
    well = answers["postgresql"] == answers["tables"] == "ok"
    return JsonResponse(
        {"status": "ok" if well else "unavailable"} | answers, status=200 if well else 503
    )


def _answers(name: str, ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (DatabaseError, RedisError, OSError) as error:
        logger.warning("Not ready, %s: %s", name, error)
        return False
    return True


def _ask_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_tables() -> None:
    if missing := database.unapplied_migrations():
        raise ProgrammingError(f"{len(missing)} migrations are missing: run `manage.py migrate`")


def _ask_redis() -> None:
    _redis().ping()


@cache
def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": ready, "/livez": live}
