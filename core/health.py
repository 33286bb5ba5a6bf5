"""What a load balancer asks: is the process alive, and can it do its work?"""

import logging
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nobody else: restarting us would not bring a database back."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where PostgreSQL answers, else 503. Without Redis the chat goes on: it is only named."""
    checks: dict[str, Callable[[], object]] = {"postgresql": _ask_postgresql, "redis": _ask_redis}
    answers = {name: "ok" if _answers(name, ask) else "away" for name, ask in checks.items()}
    well = answers["postgresql"] == "ok"
    return JsonResponse(
        {"status": "ok" if well else "unavailable"} | answers, status=200 if well else 503
    )


def _answers(name: str, ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (DatabaseError, RedisError, OSError) as error:
        logger.warning("%s does not answer: %s", name, error)
        return False
    return True


def _ask_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    _redis().ping()


@cache
def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
