"""The least that the tutorial's chat runs with."""

import environ

env = environ.Env()
SECRET_KEY = "only-for-the-benchmark"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
DATABASES = {"default": env.db_url("DATABASE_URL")}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # The defaults (100 messages, 100 connections) would drop messages and refuse members.
        "CONFIG": {
            "hosts": [
                {
                    "address": env.str("REDIS_URL"),
                    "max_connections": 100_000,
                    # redis-py's own five seconds are as long as the layer waits for a message:
                    # a socket that hears nothing for so long would be cut.
                    "socket_timeout": 60,
                }
            ],
            "capacity": 100_000,
        },
    },
}
