"""Settings from the environment and `.env`. What you get by default is production: strict.

A developer's checkout (`manage.py` without a SECRET_KEY) is filled in first (core/local/).
Every variable read here is described in `.env.example`; a test holds the two together.
"""

from pathlib import Path

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from core import logs
from core.accounts import cookies
from core.environment import dotenv
from core.environment.values import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
dotenv.load()  # the real environment wins

# -- Who and where we are ---------------------------------------------------------------------

SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
SITE_NAME = env.str("SITE_NAME", default="Chat")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else []
)
# Full origins that may open sockets and post forms, as "https://chat.example.org".
# In development the page's own host is enough.
ORIGINS = env.list("ORIGINS", default=[])
# Django's check of these prints what it refuses; ours (core/checks.py) says it without.
CSRF_TRUSTED_ORIGINS = [origin for origin in ORIGINS if "://" in origin]
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")
LANGUAGE_CODE = "en"

ROOT_URLCONF = "core.urls"
ASGI_APPLICATION = "core.asgi.application"
AUTH_USER_MODEL = "core.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "rooms"
LOGOUT_REDIRECT_URL = "rooms"

INSTALLED_APPS = [
    "core",
    "presence",
    "chat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "csp",
    "servestatic",  # its checks
]

MIDDLEWARE = [
    "core.web.health.ProbeMiddleware",
    "core.web.unreadable.UnreadableMiddleware",
    "django.middleware.security.SecurityMiddleware",
    *(["core.web.static.MissingStaticFiles"] if DEBUG else []),
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.accounts.former_cookies.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "core.web.outage.OutageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.web.context.site",
            ],
        },
    },
]

# -- PostgreSQL, the truth --------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", engine="core.database.postgresql")}
DATABASES["default"]["CONN_MAX_AGE"] = 0  # under ASGI a fresh thread a request would leak them
# The pool looks at a connection before it hands it out: after PostgreSQL was restarted each of them
# would cost somebody a page.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"]["pool"] = {
    # processes x max_size must stay below PostgreSQL's max_connections
    "min_size": 1,
    "max_size": env.int("DATABASE_POOL_SIZE", default=8),
    "timeout": 5,
    # Else it waits longer and longer while PostgreSQL is away, and then after its return.
    "reconnect_timeout": 4,
}

# -- Redis: presence and fan-out --------------------------------------------------------------

REDIS_URL = env.redis_url("REDIS_URL")
REDIS_CLUSTER = env.bool("REDIS_CLUSTER", default=False)  # REDIS_URL is one node of it
redis_node = {
    "address": REDIS_URL,
    "socket_connect_timeout": 2,
    # without it the first send after Redis came back raises
    "retry": Retry(ExponentialBackoff(cap=1, base=0.05), 3),
}
publish_layer = {
    "BACKEND": "core.redis.layers.PublishLayer",
    "CONFIG": {"hosts": [redis_node | {"socket_timeout": 5}]},
}
# Two layers, since two things are wanted of one. The chat only wakes up its other processes, so it
# publishes: nothing is kept, and nothing is dropped for being too much. Consumers of your own, and
# the Channels tutorial, expect what is sent to wait for whoever receives it: that is the layer
# `default`. Ours is asked for by its name, so that neither disturbs the other. All their names in
# Redis begin with the installation's prefix (core/redis/layers.py).
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "core.redis.layers.QueueLayer",
        # longer than the five seconds for which it waits for a message in one call
        "CONFIG": {"hosts": [redis_node | {"socket_timeout": 10}]},
    },
    "chat": publish_layer,
}
if REDIS_CLUSTER:
    # Channels' queues need one node for all keys. What is published on a node reaches all of them.
    CHANNEL_LAYERS["default"] = publish_layer

# -- Security ---------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Behind a proxy that ends TLS and sets this header itself.
HTTPS = env.bool("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# The proxy says in X-Real-IP who the client is, and lets no client say it (core/server.py).
TRUSTED_PROXY = env.bool("TRUSTED_PROXY", default=False)
SESSION_ENGINE = "core.accounts.sessions"
_PORT = cookies.seen_port(debug=DEBUG, own=env.str("PORT", default="8000"), origins=ORIGINS)
SESSION_COOKIE_NAME = cookies.named("session", https=HTTPS, port=_PORT)
CSRF_COOKIE_NAME = cookies.named("csrf", https=HTTPS, port=_PORT)
# In the session: its cookie's name could not be ours.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "core.web.reports.AddressesHidden"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}

# -- Static files -----------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.folder("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
SERVESTATIC_USE_FINDERS = SERVESTATIC_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "core.web.static.HashedStaticFilesStorage"
    },
}

# -- The chat's limits (DESIGN: "Bounded") ----------------------------------------------------

CHAT_GUESTS = env.bool("CHAT_GUESTS", default=False)
# A limit is of its default's type, and from `least` (1) to `most` (a million), as a check says:
# PostgreSQL, Redis, asyncio and browsers all take as much.
MINUTE, DAY = 60, 86_400  # seconds
CHAT_MESSAGE_MAX = env.limit("CHAT_MESSAGE_MAX", default=4_000)  # characters
CHAT_FRAME_IN_MAX = env.limit("CHAT_FRAME_IN_MAX", default=16_384, most=2**30)  # bytes
CHAT_FRAME_OUT_MAX = env.limit("CHAT_FRAME_OUT_MAX", default=262_144, most=2**30)  # bytes
# messages that are read at once
CHAT_HISTORY_PAGE = env.limit("CHAT_HISTORY_PAGE", default=50, most=10_000)
CHAT_HISTORY_MAX = env.limit("CHAT_HISTORY_MAX", default=100, most=10_000)
CHAT_CATCH_UP_MAX = env.limit("CHAT_CATCH_UP_MAX", default=500, most=10_000)
# A user may send RATE_MESSAGES in RATE_SECONDS to a room, and RATE_BURST at once; 0 = no limit.
CHAT_RATE_MESSAGES = env.limit("CHAT_RATE_MESSAGES", default=10, least=0)
CHAT_RATE_SECONDS = env.limit("CHAT_RATE_SECONDS", default=10, most=DAY)
CHAT_RATE_BURST = env.limit("CHAT_RATE_BURST", default=20)
# Of these, edits: so many in RATE_SECONDS, and at once; 0 = no limit.
CHAT_RATE_EDITS = env.limit("CHAT_RATE_EDITS", default=5, least=0)
# Frames of any kind a second from one person, and five times that at once; 0 = no limit.
CHAT_FRAMES_PER_SECOND = env.limit("CHAT_FRAMES_PER_SECOND", default=20, least=0)
CHAT_CONNECTIONS_MAX = env.limit("CHAT_CONNECTIONS_MAX", default=20)  # a user
CHAT_BAD_FRAMES_MAX = env.limit("CHAT_BAD_FRAMES_MAX", default=20)  # a minute, then BAD_FRAMES
CHAT_OUTBOX_FRAMES = env.limit("CHAT_OUTBOX_FRAMES", default=256)
CHAT_OUTBOX_BYTES = env.limit("CHAT_OUTBOX_BYTES", default=1_048_576, most=2**30)
CHAT_WRITER_QUEUE = env.limit("CHAT_WRITER_QUEUE", default=2_000)  # commands a process
CHAT_GUESTS_PER_ADDRESS = env.rate("CHAT_GUESTS_PER_ADDRESS", default="60/minute")
# Who makes a room by entering an address that is free: anybody, members (no guests), or moderators
# (who have staff status).
CHAT_NEW_ROOMS = env.one_of(
    "CHAT_NEW_ROOMS", ("anybody", "members", "moderators"), default="anybody"
)
CHAT_NEW_ROOMS_PER_ADDRESS = env.rate("CHAT_NEW_ROOMS_PER_ADDRESS", default="60/hour")
CHAT_NEW_ROOMS_PER_PERSON = env.rate("CHAT_NEW_ROOMS_PER_PERSON", default="10/hour")
CHAT_SIGN_INS_PER_ADDRESS = env.rate("CHAT_SIGN_INS_PER_ADDRESS", default="60/minute")
CHAT_SIGN_UPS_PER_ADDRESS = env.rate("CHAT_SIGN_UPS_PER_ADDRESS", default="10/hour")
CHAT_SIGN_UP_TRIES_PER_ADDRESS = env.rate("CHAT_SIGN_UP_TRIES_PER_ADDRESS", default="30/hour")

# A crash is healed within this and a second: 45 seconds at the most.
PRESENCE_LEASE_SECONDS = env.limit("PRESENCE_LEASE_SECONDS", default=42, most=DAY)
PRESENCE_RENEW_SECONDS = env.limit("PRESENCE_RENEW_SECONDS", default=15, most=DAY)
# How long somebody may be away without anybody's noticing: a reload, or a flicker of the network of
# five seconds, after which a client takes up to three to come back.
PRESENCE_GRACE_SECONDS = env.limit("PRESENCE_GRACE_SECONDS", default=8.0, least=0, most=DAY)
# Comings and goings that gather for so long leave as one frame a connection.
PRESENCE_GATHER_SECONDS = env.limit("PRESENCE_GATHER_SECONDS", default=0.25, least=0, most=MINUTE)
# Where more people are online than LIST_MAX, the first SHOWN of them are named and the rest are
# counted, at most once in COUNT_SECONDS.
PRESENCE_LIST_MAX = env.limit("PRESENCE_LIST_MAX", default=250, least=0)
PRESENCE_SHOWN = env.limit("PRESENCE_SHOWN", default=100, least=0)
PRESENCE_COUNT_SECONDS = env.limit("PRESENCE_COUNT_SECONDS", default=1.0, least=0, most=MINUTE)

LIMITS, RATES = env.limits, env.rates  # all of these, for core/checks.py

# -- Logging ----------------------------------------------------------------------------------

LOGGING = logs.configuration(env.one_of("LOG_LEVEL", logs.LEVELS, default="INFO"))
