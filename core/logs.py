"""What goes to the log: one line each, and of what clients do wrong no more than somebody reads."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

REFUSED_A_MINUTE = 20  # lines of each kind
LENGTH_MAX = 300  # characters; a client chooses what stands in such a line
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def configuration(level: str) -> dict[str, Any]:
    """Django's LOGGING: to the terminal goes what is of `level` or above, but for repetitions."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "class": "core.logs.LineFormatter",
                "format": "{asctime} {levelname} {name}: {message}",
                "style": "{",
            }
        },
        "filters": {
            "few refusals": {"()": "core.logs.FewRefusals"},
            "seldom": {"()": "core.trouble.Seldom"},
            "said": {"()": "core.web.outage.SaidHere"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["few refusals"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "daphne": {"level": "WARNING"},
            "django": {"handlers": []},  # its own besides would say everything twice in DEBUG
            "django.channels": {"level": "WARNING"},
            "django.request": {"filters": ["said"]},
            # These say each of their tries while Redis or PostgreSQL is away.
            "channels_redis.pubsub": {"filters": ["seldom"]},
            "daphne.ws_protocol": {"filters": ["seldom"]},  # of handshakes that fail in it
            "chat.live.mailbox": {"filters": ["seldom"]},  # of garbage that is put into Redis
            "presence.reader": {"filters": ["seldom"]},
            "presence.store": {"filters": ["seldom"]},
            "presence.tracker": {"filters": ["seldom"]},
            "psycopg.pool": {"filters": ["seldom"]},
        },
    }


def is_refusal(record: logging.LogRecord) -> bool:
    """Whether it tells of a request that was answered with 400 to 499."""
    return 400 <= getattr(record, "status_code", 0) < 500


@dataclass
class _Minute:
    began: float
    lines: int = 0
    left_out: int = 0


class FewRefusals(logging.Filter):
    """Lets pass so many refusals a minute of each kind: a kind is a logger and a status. Whoever
    sends ten thousand requests that are refused must not fill a disk, nor hide other lines."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._minutes: dict[tuple[str, int], _Minute] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_refusal(record):
            return True
        kind = record.name, getattr(record, "status_code", 0)
        with self._lock:
            now = time.monotonic()
            minute = self._minutes.setdefault(kind, _Minute(now))
            if now - minute.began >= 60:
                record.left_out = minute.left_out
                minute = self._minutes[kind] = _Minute(now)
            minute.lines += 1
            if minute.lines <= REFUSED_A_MINUTE:
                return True
            minute.left_out += 1
            return False


class LineFormatter(logging.Formatter):
    """A refusal is one line, without a traceback: nothing of ours has failed."""

    def format(self, record: logging.LogRecord) -> str:
        if not is_refusal(record):
            return super().format(record)
        message = _printable(record.getMessage())
        if left_out := getattr(record, "left_out", 0):
            message += f" (and {left_out:,} more of this kind before)"
        return super().format(
            logging.makeLogRecord(
                record.__dict__ | {"msg": message, "args": (), "exc_info": None, "exc_text": None}
            )
        )


def _printable(text: str) -> str:
    """A client must not write a line of ours."""
    short = text if len(text) <= LENGTH_MAX else f"{text[:LENGTH_MAX]}…"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
